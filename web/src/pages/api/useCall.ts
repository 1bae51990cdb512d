/* Makes a call and keeps what came back, up to a bound: a stream of events is shown as it comes, and can be stopped. */
import { useCallback, useEffect, useRef, useState } from 'react';
import { ApiError, send, type Method } from '../../api/client';
import { invalidate } from '../../api/useApi';
import type { BodyKind } from './document';

// More is neither kept nor shown.
export const READ_BYTES_MAX = 1024 * 1024;

export interface Answer {
  address: string;
  status: number; // 0: none came
  statusText: string;
  url: string; // where a redirection ended; else empty
  ms: number; // until the head was there
  headers: [string, string][];
  type: string; // media type, without parameters
  bytes: Uint8Array; // as far as they were read
  isCut: boolean;
  error: string;
}

const none: Answer = { address: '', status: 0, statusText: '', url: '', ms: 0, headers: [], type: '', bytes: new Uint8Array(), isCut: false, error: '' };

function bodyOf(kind: BodyKind, content: File | string | null): { body?: BodyInit; headers: Record<string, string> } {
  if (content instanceof File) {
    if (kind === 'file') return { body: content, headers: { 'Content-Type': 'application/octet-stream' } };
    const form = new FormData();
    form.append('file', content, content.name);
    return { body: form, headers: {} };
  }
  return kind === 'json' && content?.trim() ? { body: content, headers: { 'Content-Type': 'application/json' } } : { headers: {} };
}

/** Reads up to the bound, and tells after each piece. */
async function read(reply: Response, onBytes: (bytes: Uint8Array, isCut: boolean) => void): Promise<void> {
  const reader = reply.body?.getReader();
  let all = new Uint8Array();
  for (;;) {
    const { done, value } = (await reader?.read()) ?? { done: true, value: undefined };
    if (done || !value) return;
    const room = READ_BYTES_MAX - all.length;
    const next = new Uint8Array(all.length + Math.min(room, value.length));
    next.set(all);
    next.set(value.subarray(0, room), all.length);
    all = next;
    onBytes(all, value.length > room);
    if (value.length > room) return void reader?.cancel();
  }
}

export function useCall() {
  const [answer, setAnswer] = useState<Answer | null>(null);
  const [isGoing, setGoing] = useState(false);
  const running = useRef<AbortController | null>(null);
  useEffect(() => () => running.current?.abort(), []);
  const stop = useCallback(() => running.current?.abort(), []);
  const start = useCallback(async (method: Method, address: string, kind: BodyKind, content: File | string | null) => {
    running.current?.abort();
    const controller = new AbortController();
    running.current = controller;
    setAnswer(null);
    setGoing(true);
    const at = performance.now();
    try {
      const reply = await send(address, { method, ...bodyOf(kind, content), signal: controller.signal });
      const type = (reply.headers.get('Content-Type') ?? '').split(';')[0]!.trim();
      const head: Answer = { ...none, address, status: reply.status, statusText: reply.statusText, url: reply.redirected ? reply.url : '', ms: performance.now() - at, headers: [...reply.headers], type };
      setAnswer(head);
      await read(reply, (bytes, isCut) => setAnswer({ ...head, bytes, isCut }));
    } catch (error) {
      // Stopped by hand: what came until then stays.
      if (!controller.signal.aborted) setAnswer({ ...none, address, ms: performance.now() - at, error: error instanceof ApiError ? error.detail : String(error) });
    }
    if (running.current !== controller) return;
    running.current = null;
    setGoing(false);
    // What other parts of the UI know may be of before.
    if (method !== 'GET') invalidate('/v1/');
  }, []);
  return { answer, isGoing, start, stop };
}
