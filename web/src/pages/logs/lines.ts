/* Lines of the log: the newest first, older ones when they are wanted, new ones while one follows. */
import { useCallback, useEffect, useRef, useState } from 'react';
import { call, urlOf } from '../../api/client';
import { connectionState } from '../../api/connection';
import type { LogLine } from '../../api/types';

export interface LogFilter {
  q: string;
  level: string;
  component: string;
  run_id: string;
  range: string;
}

export interface Numbered extends LogLine {
  key: number; // one for each line, for as long as the page is there
}

const PAGE = 300;
const KEPT_MAX = 3000;
const FOLLOW_MS = 1000;

async function ask(filter: LogFilter, more: Record<string, string | number>, signal: AbortSignal): Promise<LogLine[]> {
  const { items } = (await call('GET', urlOf('/v1/logs', {}, { ...filter, limit: PAGE, ...more }), { signal })) as { items: LogLine[] };
  return items;
}

// What this page asks for, and the files of the UI: each is a line of the log.
const OWN = ['/v1/logs', '/v1/ui', '/loki/api/v1/label/component/values'];
// So many pages of nothing else are passed over at once.
const OWN_PAGES_MAX = 5;

/** The UI's own questions would drown the log. They are there for who looks for words or for a component. */
function isOwn(line: LogLine, filter: LogFilter): boolean {
  return line.event === 'http.request' && typeof line.route === 'string' && (OWN.includes(line.route) || line.route.startsWith('/ui/')) && filter.q === '' && filter.component === '';
}

interface Lines {
  of: string;
  items: Numbered[];
  isEnd: boolean; // there are no older ones
  error: Error | null;
}

/** How far one has read in a direction: the moment, and the lines of that moment, which are asked for again and told apart by their text. */
interface Edge {
  ts: string;
  texts: Set<string>;
}

function beyond(edge: Edge, found: LogLine[]): LogLine[] {
  return found.filter((line) => line.ts !== edge.ts || !edge.texts.has(textOf(line)));
}

function moved(edge: Edge | null, line: LogLine | undefined, found: LogLine[]): Edge | null {
  if (!line) return edge;
  const texts = found.filter((l) => l.ts === line.ts).map(textOf);
  return { ts: line.ts, texts: new Set(edge?.ts === line.ts ? [...edge.texts, ...texts] : texts) };
}

export function useLines(filter: LogFilter, follow: boolean) {
  const of = JSON.stringify(filter);
  const [state, setState] = useState<Lines>({ of: '', items: [], isEnd: true, error: null });
  const serial = useRef(0);
  const edges = useRef<{ of: string; newest: Edge | null; oldest: Edge | null }>({ of: '', newest: null, oldest: null });
  const shown = (lines: LogLine[]): Numbered[] => lines.filter((line) => !isOwn(line, filter)).map((line) => ({ ...line, key: ++serial.current }));

  useEffect(() => {
    const controller = new AbortController();
    const wanted = JSON.parse(of) as LogFilter;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const failed = (error: unknown) => !controller.signal.aborted && setState((old) => ({ ...old, of, items: old.of === of ? old.items : [], error: error as Error }));
    const begin = async () => {
      try {
        const found = await ask(wanted, {}, controller.signal);
        let oldest = moved(null, found[found.length - 1], found);
        let items = shown(found);
        let isEnd = found.length < PAGE;
        for (let pages = 1; pages < OWN_PAGES_MAX && items.length === 0 && !isEnd && oldest; pages++) {
          const more = await ask(wanted, { until: oldest.ts }, controller.signal);
          const fresh = beyond(oldest, more);
          oldest = moved(oldest, more[more.length - 1], more);
          items = shown(fresh);
          isEnd = more.length < PAGE || fresh.length === 0;
        }
        edges.current = { of, newest: moved(null, found[0], found), oldest };
        setState({ of, items, isEnd, error: null });
      } catch (error) {
        failed(error);
      }
    };
    const next = async () => {
      const edge = edges.current;
      if (document.hidden || connectionState.get().state !== 'online') return;
      if (edge.of !== of || !edge.newest) return begin();
      try {
        const found = await ask(wanted, { since: edge.newest.ts, direction: 'forward', range: '' }, controller.signal);
        const fresh = beyond(edge.newest, found);
        edge.newest = moved(edge.newest, found[found.length - 1], found);
        setState((old) => (old.of === of ? { ...old, error: null, ...cut([...shown(fresh).reverse(), ...old.items], old.isEnd) } : old));
      } catch (error) {
        failed(error);
      }
    };
    const loop = async () => {
      await next();
      if (!controller.signal.aborted) timer = setTimeout(() => void loop(), FOLLOW_MS);
    };
    void (async () => {
      if (edges.current.of !== of) await begin();
      if (follow && !controller.signal.aborted) void loop();
    })();
    return () => {
      controller.abort();
      clearTimeout(timer);
    };
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [of, follow]);

  const older = useCallback(async () => {
    const edge = edges.current;
    if (edge.of !== of || !edge.oldest) return;
    try {
      const found = await ask(JSON.parse(of) as LogFilter, { until: edge.oldest.ts }, new AbortController().signal);
      const fresh = beyond(edge.oldest, found);
      edge.oldest = moved(edge.oldest, found[found.length - 1], found);
      setState((old) => (old.of === of ? { ...old, items: [...old.items, ...shown(fresh)], isEnd: found.length < PAGE || fresh.length === 0 } : old));
    } catch (error) {
      setState((old) => ({ ...old, error: error as Error }));
    }
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [of]);

  return { items: state.of === of ? state.items : [], isFirst: state.of !== of, isEnd: state.isEnd, error: state.error, older };
}

function textOf(line: LogLine): string {
  return JSON.stringify(line);
}

/** While one follows for hours the oldest lines go, and with them the way to older ones: the filters find those again. */
function cut(items: Numbered[], isEnd: boolean): Pick<Lines, 'items' | 'isEnd'> {
  return items.length > KEPT_MAX ? { items: items.slice(0, KEPT_MAX), isEnd: true } : { items, isEnd };
}
