/* A schema as a tree: names, types, what is required, which values there are. */
import { useWords } from '../../i18n';
import { schemaOf, typesOf, type Document, type Schema } from './document';
import { words } from './words';

// No schema of ours is so deep; one that contains itself would be.
const DEPTH_MAX = 8;

function useTypeName() {
  const t = useWords(words);
  return function name(schema: Schema): string {
    const types = typesOf(schema).map((type) => (type === 'array' && schema.items ? t('arrayOf', { type: name(schema.items) }) : type));
    return (types.join(' | ') || t('anything')) + (schema.format ? ` (${schema.format})` : '');
  };
}

/** The schema whose members are shown: of a list that of its items. */
function inside(document: Document, given: Schema): Schema {
  const schema = schemaOf(document, given);
  if (typesOf(schema).includes('array') && schema.items) return inside(document, schema.items);
  if (!schema.properties && typeof schema.additionalProperties === 'object') return { type: 'object', properties: { '*': schema.additionalProperties } };
  return schema;
}

export function SchemaTree({ document, schema }: { document: Document; schema: Schema }) {
  const t = useWords(words);
  const typeName = useTypeName();
  const body = inside(document, schema);
  return (
    <>
      <p className="text-muted">{typeName(schemaOf(document, schema))}</p>
      {Object.keys(body.properties ?? {}).length === 0 ? <p className="text-muted">{t('anyValue')}</p> : <Members document={document} of={body} depth={0} />}
    </>
  );
}

function Members({ document, of, depth }: { document: Document; of: Schema; depth: number }) {
  const t = useWords(words);
  const typeName = useTypeName();
  return (
    <ul className={depth ? 'pl-4 border-l border-line' : ''}>
      {Object.entries(of.properties ?? {}).map(([name, given]) => {
        const schema = schemaOf(document, given);
        const body = inside(document, given);
        return (
          <li key={name} className="py-0.5">
            <code className="font-semibold break-all">{name}</code> <span className="text-muted">{typeName(schema)}</span>
            {of.required?.includes(name) && <span className="text-lamp"> {t('required')}</span>}
            {schema.enum && <span className="text-muted"> {schema.enum.map(String).join(', ')}</span>}
            {schema.default !== undefined && <span className="text-muted"> = {JSON.stringify(schema.default)}</span>}
            {depth < DEPTH_MAX && body.properties && <Members document={document} of={body} depth={depth + 1} />}
          </li>
        );
      })}
    </ul>
  );
}
