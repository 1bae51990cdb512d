/* The typed way to the API. Paths, parameters and bodies are those of our own OpenAPI document (schema.d.ts is generated from
 * web/openapi.json); replies are `Replies` of types.ts where the document says only "object".
 *
 *   const page = await api('GET', '/v1/runs', { query: { limit: 50 } });
 */
import { Store } from '../app/store';
import { connection } from './connection';
import { takeEarly } from './early';
import type { paths } from './schema';
import type { Replies } from './types';

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
/** The paths that know a method. */
export type PathOf<M extends Method> = {
  [P in keyof paths]: paths[P] extends { [K in Lowercase<M>]: { responses: unknown } } ? P : never;
}[keyof paths];

type Operation<M extends Method, P> = P extends keyof paths ? paths[P][Lowercase<M> & keyof paths[P]] : never;
type PathParams<O> = O extends { parameters: { path: infer T } } ? T : undefined;
type QueryParams<O> = O extends { parameters: { query?: infer T } } ? T : undefined;
type JsonBody<O> = O extends { requestBody?: { content: { 'application/json': infer T } } } ? T : unknown;
type Documented<O> = O extends { responses: { 200: { content: { 'application/json': infer T } } } }
  ? T
  : O extends { responses: { 201: { content: { 'application/json': infer T } } } }
    ? T
    : O extends { responses: { 202: { content: { 'application/json': infer T } } } }
      ? T
      : unknown;

export type Answer<M extends Method, P> = `${M} ${P & string}` extends keyof Replies
  ? Replies[`${M} ${P & string}`]
  : Documented<Operation<M, P>>;

export interface Options<M extends Method, P> {
  path?: PathParams<Operation<M, P>>;
  query?: QueryParams<Operation<M, P>>;
  /** A JSON body, or (Blob, FormData, string) bytes as they are. */
  body?: JsonBody<Operation<M, P>> | Blob | FormData | string;
  headers?: Record<string, string>;
  signal?: AbortSignal;
}

/** What went wrong, as the server said it (RFC 9457) or as we saw it. */
export class ApiError extends Error {
  constructor(
    readonly status: number, // 0: no answer
    readonly code: string,
    readonly detail: string,
    readonly requestId: string,
    readonly title: string,
  ) {
    super(detail);
    this.name = 'ApiError';
  }
}

/** An API key, for servers that do not trust this machine; kept for this tab. */
export const apiKey = new Store<string>(sessionStorage.getItem('skerry.key') ?? '');
/** The server wants a key, or another one. */
export const needsKey = new Store(false);

export function signIn(key: string) {
  if (key) sessionStorage.setItem('skerry.key', key);
  else sessionStorage.removeItem('skerry.key');
  apiKey.set(key);
  needsKey.set(false);
}

type Plain = Record<string, string | number | boolean | null | undefined | (string | number)[]>;

/** The address of a call: parameters put into the path, the query behind it. Empty ones are left out. */
export function urlOf(path: string, params?: unknown, query?: unknown): string {
  const filled = path.replace(/\{(\w+)\}/g, (_, name: string) =>
    // A last parameter that takes everything keeps its slashes.
    String((params as Plain | undefined)?.[name] ?? '')
      .split('/')
      .map(encodeURIComponent)
      .join('/'),
  );
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries((query ?? {}) as Plain)) {
    if (Array.isArray(value)) for (const item of value) search.append(name, String(item));
    else if (value !== undefined && value !== null && value !== '') search.set(name, String(value));
  }
  const text = search.toString();
  return text ? `${filled}?${text}` : filled;
}

async function problemOf(reply: Response): Promise<ApiError> {
  let problem: Record<string, unknown> = {};
  try {
    problem = (await reply.json()) as Record<string, unknown>;
  } catch {
    /* not JSON: the status must do */
  }
  const text = (name: string) => (typeof problem[name] === 'string' ? (problem[name] as string) : '');
  // Apps that speak somebody else's protocol say it in that one's words.
  const detail = text('detail') || text('message') || text('error') || `${reply.status} ${reply.statusText}`;
  const requestId = text('requestId') || reply.headers.get('X-Request-Id') || '';
  return new ApiError(reply.status, text('code') || text('error_code'), detail, requestId, text('title') || reply.statusText);
}

/** fetch with our key. Whatever is answered is an answer; throws when none comes. */
export async function send(url: string, init: RequestInit = {}): Promise<Response> {
  const headers = new Headers(init.headers);
  const key = apiKey.get();
  if (key) headers.set('X-Api-Key', key);
  let reply: Response;
  try {
    reply = await ((init.method === 'GET' && takeEarly(url)) || fetch(url, { ...init, headers }));
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error;
    connection.lost();
    throw new ApiError(0, 'unreachable', 'The server does not answer.', '', 'No answer');
  }
  connection.answered();
  // A call that left before there was a new key says nothing about that one.
  if (reply.status === 401 && key === apiKey.get()) needsKey.set(true);
  return reply;
}

/** The same, which says what went wrong: the reply's status is a success, or `also`. */
export async function request(url: string, init: RequestInit = {}, also = 200): Promise<Response> {
  const reply = await send(url, init);
  if (reply.ok || reply.status === also) return reply;
  throw await problemOf(reply);
}

interface Call {
  body?: unknown;
  headers?: Record<string, string>;
  signal?: AbortSignal;
  also?: number; // a status that is an answer as well
}

/** A call without its types: for the ones that know the path only at run time. */
export async function call(method: Method, url: string, options: Call = {}): Promise<unknown> {
  const headers: Record<string, string> = { Accept: 'application/json', ...options.headers };
  let body = options.body as BodyInit | undefined;
  const isRaw = body === undefined || typeof body === 'string' || body instanceof Blob || body instanceof FormData;
  if (!isRaw) {
    headers['Content-Type'] ??= 'application/json';
    body = JSON.stringify(body);
  }
  const reply = await request(url, { method, headers, body, signal: options.signal }, options.also);
  const text = await reply.text();
  return text ? JSON.parse(text) : null;
}

export async function api<M extends Method, P extends PathOf<M>>(
  method: M,
  path: P,
  options: Options<M, P> = {},
): Promise<Answer<M, P>> {
  return (await call(method, urlOf(path, options.path, options.query), options)) as Answer<M, P>;
}
