/* What the page knows of an OpenAPI document: its operations in groups, and what can be made of one: an example of a schema, the
 * values that a form begins with, an address, a command for the shell. Nothing here asks the server. */
import { urlOf, type Method } from '../../api/client';

export interface Schema {
  type?: string | string[];
  properties?: Record<string, Schema>;
  required?: string[];
  items?: Schema;
  additionalProperties?: boolean | Schema;
  enum?: (string | number | boolean | null)[];
  format?: string;
  default?: unknown;
  $ref?: string;
}
export interface Parameter {
  name: string;
  in: 'path' | 'query';
  required: boolean;
  schema: Schema;
}
type Content = Record<string, { schema?: Schema; example?: unknown }>;
interface Response {
  description?: string;
  content?: Content;
  $ref?: string;
}
interface Described {
  operationId: string;
  summary: string;
  tags: string[];
  parameters: Parameter[];
  requestBody?: { content: Content };
  responses: Record<string, Response>;
  'x-access': string;
  'x-example'?: string;
  'x-per-minute'?: number;
  'x-metric'?: string;
  'x-event'?: string;
  'x-alias-of'?: string;
}
export interface Document {
  info: { title: string; version: string; description: string };
  tags: { name: string; description: string; 'x-title': string }[];
  paths: Record<string, Record<string, Described>>;
  components: { schemas: Record<string, Schema>; responses: Record<string, Response> };
}

declare module '../../api/types' {
  interface Replies {
    'GET /openapi.json': Document;
  }
}

export interface Operation extends Described {
  method: Method;
  path: string;
  name: string; // "GET /v1/runs"
}
export interface Group {
  name: string; // "runs"
  operations: Operation[];
}
export interface Part {
  tag: Document['tags'][number];
  groups: Group[];
  count: number;
}

export function operationsOf(document: Document): Operation[] {
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, described]) => {
      const upper = method.toUpperCase() as Method;
      return { ...described, method: upper, path, name: `${upper} ${path}` };
    }),
  );
}

/** What is worth trying first, where there is such a call: what models say, and what there is. */
const FIRST = ['post_v1_predict', 'get_v1_status', 'get_v1_runs', 'get_v1_models', 'post_v1_rps_start_game'];

export const firstOf = (all: Operation[]) => FIRST.flatMap((id) => all.find((o) => o.operationId === id) ?? []);

/** The noun that an address is about: what is left of it without versions and the names of protocols; asking a model is one. */
function nounOf(path: string): string {
  if (path.startsWith('/api/v1/')) return 'prometheus';
  if (path.startsWith('/loki/')) return 'loki';
  if (path.endsWith('/predict')) return 'predict';
  const parts = path.split('/').filter((part) => part && !/^(v\d+|\d\.\d|api|ajax-api|mlflow|internal|rps)$/.test(part));
  return (parts[0] ?? '').replace(/\.\w+$/, '') || '/';
}

/** All words are somewhere in the method, the address, the noun, or the summary, as the server says it or as the reader sees it. */
export function fits(operation: Operation, words: string, shown: string): boolean {
  const text = `${operation.name} ${operation.summary} ${shown} ${operation.operationId}`.toLowerCase();
  return words.toLowerCase().trim().split(/\s+/).every((word) => text.includes(word));
}

export function partsOf(document: Document, operations: Operation[]): Part[] {
  return document.tags.flatMap((tag) => {
    const mine = operations.filter((o) => o.tags[0] === tag.name);
    const nouns = new Map<string, Operation[]>();
    for (const o of mine) nouns.set(nounOf(o.path), [...(nouns.get(nounOf(o.path)) ?? []), o]);
    const groups = [...nouns].map(([name, list]) => ({ name, operations: list }));
    groups.sort((a, b) => a.name.localeCompare(b.name));
    return mine.length ? [{ tag, groups, count: mine.length }] : [];
  });
}

export function responseOf(document: Document, response: Response): Response {
  const name = response.$ref?.split('/').pop();
  return name ? (document.components.responses[name] ?? {}) : response;
}
export function schemaOf(document: Document, schema: Schema): Schema {
  const name = schema.$ref?.split('/').pop();
  return name ? (document.components.schemas[name] ?? {}) : schema;
}

/* ---------------------------------------------------------------- examples */

export const typesOf = (schema: Schema): string[] => [schema.type ?? []].flat();

// No schema of ours is so deep; one that contains itself would be.
const DEPTH_MAX = 8;

/** A value as the schema describes it. */
export function exampleOf(document: Document, given: Schema, depth = 0): unknown {
  const schema = schemaOf(document, given);
  if (schema.default !== undefined) return schema.default;
  if (schema.enum) return schema.enum[0];
  const type = typesOf(schema).find((t) => t !== 'null');
  if (depth > DEPTH_MAX) return null;
  if (type === 'array') return schema.items ? [exampleOf(document, schema.items, depth + 1)] : [];
  if (type === 'object' || schema.properties) {
    const members = Object.entries(schema.properties ?? {}).map(([name, one]) => [name, exampleOf(document, one, depth + 1)]);
    if (schema.additionalProperties && typeof schema.additionalProperties === 'object') members.push(['name', exampleOf(document, schema.additionalProperties, depth + 1)]);
    return Object.fromEntries(members);
  }
  if (type === 'integer') return 1;
  if (type === 'number') return 0.5;
  if (type === 'boolean') return true;
  return type === 'string' ? 'text' : null;
}

/* ---------------------------------------------------------------- the form */

export type BodyKind = 'none' | 'json' | 'file' | 'form';
/** What a form sends. */
export interface Values {
  path: Record<string, string>;
  query: Record<string, string>;
  kind: BodyKind;
  body: string;
}

export function bodyKindsOf(operation: Operation): BodyKind[] {
  const content = operation.requestBody?.content ?? {};
  const kinds: BodyKind[] = [];
  if (content['multipart/form-data']) kinds.push('form');
  if (content['application/json']) kinds.push('json');
  if (content['application/octet-stream']) kinds.push('file');
  return kinds;
}

const isJson = (text: string | undefined) => text !== undefined && /^[{[]/.test(text);

/** The example call; what it does not say is made from the schema of the body, or left open. */
export function valuesOf(document: Document, operation: Operation): Values {
  const example = operation['x-example'];
  const kinds = bodyKindsOf(operation);
  const asked = new URLSearchParams(example && !isJson(example) ? example : '');
  const query = Object.fromEntries(operation.parameters.filter((p) => p.in === 'query').map((p) => [p.name, asked.get(p.name) ?? '']));
  let body = '';
  if (kinds.includes('json')) {
    const json = operation.requestBody!.content['application/json']!;
    body = isJson(example) ? indent(example!) : JSON.stringify(exampleOf(document, json.schema ?? {}), null, 2);
    // A name that nobody had before.
    body = body.replaceAll('<new>', `api-${Math.random().toString(36).slice(2, 8)}`);
  }
  return { path: {}, query, kind: kinds[0] ?? 'none', body };
}

/** What has to be filled in before it can be sent: parameters of the path, and words that stand for something in the example. */
export function openOf(operation: Operation, values: Values): string[] {
  const words = operation['x-example']?.match(/<[a-z ]+>/g) ?? [];
  const sent = [...Object.values(values.query), values.kind === 'json' ? values.body : ''].join('\n');
  return [
    ...operation.parameters.filter((p) => p.in === 'path' && !values.path[p.name]).map((p) => p.name),
    ...new Set(words.filter((word) => sent.includes(word))),
  ];
}

/** What is not filled in stays in its braces. */
export function addressOf(operation: Operation, values: Values): string {
  const path = operation.path.replace(/\{(\w+)\}/g, (open, name: string) => (values.path[name] ? urlOf(`{${name}}`, values.path) : open));
  return path + urlOf('', {}, values.query);
}

export function jsonFault(text: string): string | null {
  try {
    JSON.parse(text);
    return null;
  } catch (error) {
    return (error as Error).message;
  }
}

/* ---------------------------------------------------------------- the shell */

const quoted = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`;

/** The same call for a terminal. A key is named, never written out. */
export function curlOf(origin: string, operation: Operation, values: Values, withKey: boolean, fileName: string): string {
  const parts = [`curl -s${operation.method === 'GET' ? '' : ` -X ${operation.method}`} ${quoted(origin + addressOf(operation, values))}`];
  if (withKey) parts.push('-H "Authorization: Bearer $SKERRY_KEY"');
  if (values.kind === 'json') {
    const isWhole = jsonFault(values.body) === null;
    parts.push(`-H 'Content-Type: application/json'`, `-d ${quoted(isWhole ? compact(values.body) : values.body)}`);
  }
  if (values.kind === 'form') parts.push(`-F ${quoted(`file=@${fileName}`)}`);
  if (values.kind === 'file') parts.push(`-H 'Content-Type: application/octet-stream'`, `--data-binary ${quoted(`@${fileName}`)}`);
  return parts.join(' \\\n  ');
}

/* ---------------------------------------------------------------- JSON as it was sent */

/** Strings, punctuation, and everything else between white space. */
const tokens = /"(?:[^"\\]|\\.)*"?|[{}[\],:]|[^\s{}[\],:"]+/g;

const compact = (text: string) => (text.match(tokens) ?? []).join('');

/** Sets JSON in lines without reading its values: numbers of any length stay as they are, and a text that was cut is shown, too. */
export function indent(text: string): string {
  const found = text.match(tokens) ?? [];
  let out = '';
  let depth = 0;
  const line = () => `\n${'  '.repeat(depth)}`;
  found.forEach((token, i) => {
    if (token === '{' || token === '[') {
      const isEmpty = found[i + 1] === '}' || found[i + 1] === ']';
      depth++;
      out += isEmpty ? token : token + line();
    } else if (token === '}' || token === ']') {
      depth = Math.max(0, depth - 1);
      const before = found[i - 1];
      out += before === '{' || before === '[' ? token : line() + token;
    } else if (token === ',') out += token + line();
    else if (token === ':') out += ': ';
    else out += token;
  });
  return out;
}
