/* Server-sent events, with our key and a new try when the stream breaks.
 *
 *   const stop = followEvents('/v1/jobs/events', { onEvent: (event) => take(event.json as Job), onOpen: askForAll });
 *
 * EventSource cannot carry a key and does not say why it failed; so this reads the stream itself. A browser has six connections to
 * a server, and each stream keeps one: what many parts of a page want to follow comes over one (jobs.ts). */
import { request } from './client';

export interface ServerEvent {
  type: string;
  data: string;
  json: unknown; // of data; undefined when it is not JSON
  id: string;
}

const RETRY_FIRST_MS = 500;
const RETRY_MAX_MS = 10000;

function parseBlock(block: string): ServerEvent | null {
  const event: ServerEvent = { type: 'message', data: '', json: undefined, id: '' };
  const data: string[] = [];
  for (const line of block.split(/\r\n|\n|\r/)) {
    const colon = line.indexOf(':');
    if (colon === 0 || line === '') continue; // a heartbeat
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (name === 'event') event.type = value;
    else if (name === 'data') data.push(value);
    else if (name === 'id') event.id = value;
  }
  if (data.length === 0) return null;
  event.data = data.join('\n');
  try {
    event.json = JSON.parse(event.data);
  } catch {
    /* text is text */
  }
  return event;
}

/** Reads one stream to its end. */
async function readEvents(url: string, lastId: string, signal: AbortSignal, onEvent: (event: ServerEvent) => void, onOpen: () => void) {
  const headers: Record<string, string> = { Accept: 'text/event-stream' };
  if (lastId) headers['Last-Event-ID'] = lastId;
  const reply = await request(url, { headers, signal });
  if (!reply.body) return;
  onOpen();
  const reader = reply.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    rest += value;
    for (;;) {
      const end = /\r\n\r\n|\n\n|\r\r/.exec(rest);
      if (!end) break;
      const event = parseBlock(rest.slice(0, end.index));
      rest = rest.slice(end.index + end[0].length);
      if (event) onEvent(event);
    }
  }
}

/** Follows a stream until it is told to stop; comes back with the number of the last event that it saw. */
export function followEvents(url: string, { onEvent, onOpen }: { onEvent: (event: ServerEvent) => void; onOpen: () => void }): () => void {
  const controller = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  let wait = RETRY_FIRST_MS;
  let lastId = '';
  const take = (event: ServerEvent) => {
    lastId = event.id || lastId;
    wait = RETRY_FIRST_MS;
    onEvent(event);
  };
  const connect = async () => {
    try {
      await readEvents(url, lastId, controller.signal, take, onOpen);
    } catch {
      /* told by the connection state; tried again below */
    }
    if (controller.signal.aborted) return;
    timer = setTimeout(() => void connect(), wait);
    wait = Math.min(wait * 1.6, RETRY_MAX_MS);
  };
  void connect();
  return () => {
    clearTimeout(timer);
    controller.abort();
  };
}
