/* A GET as a value of a component: cached, shared by all that ask the same, asked again while the page is seen, aborted when
 * nobody wants it any more.
 *
 *   const runs = useApi('/v1/runs', { query: { limit: 50 } }, { poll: 5000 });
 *   if (runs.error) return <ErrorState error={runs.error} retry={runs.refetch} />;
 */
import { useCallback, useEffect, useMemo, useSyncExternalStore } from 'react';
import { ApiError, call, urlOf, type Answer, type Options, type PathOf } from './client';
import { connectionState } from './connection';

export interface Asked<T> {
  data: T | undefined; // the last good answer, also while a newer one is asked for or failed
  error: ApiError | undefined; // of the newest attempt
  loading: boolean; // the first answer is under way
  refetch: () => void;
}

interface State {
  data: unknown;
  error: ApiError | undefined;
  at: number;
}

// Answers of so many addresses are kept for coming back.
const KEPT_MAX = 200;
const EMPTY: State = { data: undefined, error: undefined, at: 0 };

class Entry {
  state = EMPTY;
  private readonly listeners = new Set<() => void>();
  private controller: AbortController | undefined;
  constructor(
    readonly url: string,
    private readonly also?: number,
  ) {}

  readonly watch = (listener: () => void) => {
    this.listeners.add(listener);
    return () => {
      this.listeners.delete(listener);
      // React subscribes anew within the same moment; only a real leave aborts.
      queueMicrotask(() => {
        if (this.listeners.size === 0) {
          this.controller?.abort();
          this.controller = undefined;
        }
      });
    };
  };

  get isUsed() {
    return this.listeners.size > 0;
  }

  async fetch(): Promise<void> {
    if (this.controller) return;
    const controller = new AbortController();
    this.controller = controller;
    try {
      this.put({ data: await call('GET', this.url, { signal: controller.signal, also: this.also }), error: undefined, at: Date.now() });
    } catch (error) {
      if (controller.signal.aborted) return;
      const told = error instanceof ApiError ? error : new ApiError(0, 'unreadable', String(error), '', 'Unreadable answer');
      this.put({ ...this.state, error: told, at: Date.now() });
    } finally {
      if (this.controller === controller) this.controller = undefined;
    }
  }

  private put(state: State) {
    this.state = state;
    for (const listener of [...this.listeners]) listener();
  }
}

const entries = new Map<string, Entry>();

function entryOf(url: string, also?: number): Entry {
  let entry = entries.get(url);
  if (entry) {
    entries.delete(url); // to the end: the oldest unused ones go first
  } else {
    entry = new Entry(url, also);
    if (entries.size >= KEPT_MAX)
      for (const [key, old] of entries)
        if (!old.isUsed) {
          entries.delete(key);
          break;
        }
  }
  entries.set(url, entry);
  return entry;
}

/** Asks before a component does: who wants it soon finds the answer, or that it is under way. */
export const prime = (url: string, also?: number) => entryOf(url, also).fetch();

/** Asks everything whose address begins so again: after a change that we made. */
export function invalidate(prefix: string) {
  for (const entry of entries.values()) {
    if (!entry.url.startsWith(prefix)) continue;
    if (entry.isUsed) void entry.fetch();
    else entry.state = { ...entry.state, at: 0 };
  }
}

connectionState.watch(() => {
  if (connectionState.get().state === 'online') invalidate('/');
});

// An answer younger than this is shown without asking again.
const FRESH_MS = 2000;
const none = () => () => {};

export function useApi<P extends PathOf<'GET'>>(
  path: P | null, // null: nothing is asked yet
  options: Pick<Options<'GET', P>, 'path' | 'query'> = {},
  { poll = 0, also }: { poll?: number; also?: number } = {}, // also: a status that is an answer, too
): Asked<Answer<'GET', P>> {
  const url = path === null ? null : urlOf(path, options.path, options.query);
  const entry = useMemo(() => (url === null ? null : entryOf(url, also)), [url, also]);
  const state = useSyncExternalStore(entry ? entry.watch : none, () => entry?.state ?? EMPTY);

  useEffect(() => {
    if (entry && Date.now() - entry.state.at > FRESH_MS) void entry.fetch();
  }, [entry]);

  useEffect(() => {
    if (!entry || !poll) return;
    const tick = () => {
      if (!document.hidden && connectionState.get().state === 'online') void entry.fetch();
    };
    const timer = setInterval(tick, poll);
    document.addEventListener('visibilitychange', tick);
    return () => {
      clearInterval(timer);
      document.removeEventListener('visibilitychange', tick);
    };
  }, [entry, poll]);

  const refetch = useCallback(() => void entry?.fetch(), [entry]);
  return {
    data: state.data as Answer<'GET', P> | undefined,
    error: state.error,
    loading: entry !== null && state.at === 0,
    refetch,
  };
}
