/* One call: who may make it, what it takes and answers, and a form that makes it. */
import { useState, type ReactNode } from 'react';
import { useWords } from '../../i18n';
import { Said } from '../../i18n/server';
import { Facts, Section, TextLink } from '../../ui';
import { exampleOf, responseOf, type Document, type Operation } from './document';
import { SchemaTree } from './Schema';
import { Try } from './Try';
import { words } from './words';

const accesses = ['public', 'viewer', 'analyst', 'admin'] as const;

/** Where the same can be called, too. */
function Relatives({ of }: { of: Operation[] }) {
  return <ul>{of.map((o) => <li key={o.operationId} className="break-all"><TextLink href={`/api/${o.operationId}`}>{o.path}</TextLink></li>)}</ul>;
}

export function Call({ document, operation, all }: { document: Document; operation: Operation; all: Operation[] }) {
  const t = useWords(words);
  const access = accesses.find((a) => a === operation['x-access']);
  const original = operation['x-alias-of']?.replace('...}', '}');
  const same = (o: Operation) => o.method === operation.method && o !== operation;
  const originals = original ? all.filter((o) => same(o) && o.path === original) : [];
  const aliases = all.filter((o) => same(o) && o['x-alias-of']?.replace('...}', '}') === operation.path);
  const json = operation.requestBody?.content['application/json'];
  return (
    <>
      <div className="flex flex-col gap-3">
        <p className="text-[1.07rem] max-w-[70ch]"><Said of="routes">{operation.summary}</Said></p>
        <Facts
          of={[
            [t('who'), access ? t(access) : operation['x-access']],
            ...(operation['x-per-minute'] ? [[t('limit'), t('perMinute', { n: operation['x-per-minute'] })] as [string, ReactNode]] : []),
            ...(originals.length ? [[t('sameAs'), <Relatives of={originals} />] as [string, ReactNode]] : []),
            ...(aliases.length ? [[t('alsoAt'), <Relatives of={aliases} />] as [string, ReactNode]] : []),
            ...(operation['x-metric'] ? [[t('metric'), <code>{operation['x-metric']}</code>] as [string, ReactNode]] : []),
            ...(operation['x-event'] ? [[t('event'), <code>{operation['x-event']}</code>] as [string, ReactNode]] : []),
            [t('operation'), <code className="break-all">{operation.operationId}</code>],
          ]}
        />
      </div>
      <Try document={document} operation={operation} />
      {json?.schema && (
        <Section title={t('takes')}>
          <SchemaTree document={document} schema={json.schema} />
        </Section>
      )}
      <Section title={t('answers')}>
        <div className="flex flex-col gap-4">
          {Object.entries(operation.responses).map(([status, given]) => <Answer key={status} {...{ document, status }} response={responseOf(document, given)} />)}
        </div>
      </Section>
    </>
  );
}

function Answer({ document, status, response }: { document: Document; status: string; response: ReturnType<typeof responseOf> }) {
  const t = useWords(words);
  const kinds = Object.entries(response.content ?? {});
  return (
    <section aria-labelledby={`answer-${status}`} className="border-t border-line pt-3 first:border-t-0 first:pt-0 min-w-0">
      <h3 id={`answer-${status}`} className="font-semibold">{status === 'default' ? t('default') : status} <span className="font-normal text-muted"><Said of="routes">{response.description}</Said></span></h3>
      {kinds.length === 0 && <p className="text-muted">{t('noContent')}</p>}
      {kinds.map(([type, { schema }]) => (
        <div key={type} className="mt-2 min-w-0">
          <p><code className="text-muted">{type}</code></p>
          {schema && <SchemaTree document={document} schema={schema} />}
          {schema?.properties || schema?.items || schema?.$ref ? <Example value={exampleOf(document, schema)} /> : null}
        </div>
      ))}
    </section>
  );
}

function Example({ value }: { value: unknown }) {
  const t = useWords(words);
  const [isOpen, setOpen] = useState(false);
  return (
    <details className="mt-1" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary className="min-h-6 text-accent">{t('asExample')}</summary>
      {isOpen && (
        <>
          <p className="text-muted text-[0.86rem]">{t('madeUp')}</p>
          <pre tabIndex={0} className="bg-raised rounded-md p-3 max-h-96 overflow-auto text-[0.86rem]">{JSON.stringify(value, null, 2)}</pre>
        </>
      )}
    </details>
  );
}
