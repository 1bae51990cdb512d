/* Runs by the search of MLflow's API, in pages: the list of the table, kept current while it is looked at. */
import { useCallback, useEffect, useMemo, useRef, useState } from 'react';
import { ApiError, call } from '../../api/client';
import { connectionState } from '../../api/connection';

export interface RunRow {
  id: string;
  name: string;
  experiment: string;
  user: string;
  status: string;
  start: number | null;
  end: number | null;
  metrics: Record<string, number | null>;
  params: Record<string, string>;
  tags: Record<string, string>;
}

export interface Search {
  experiments: string[];
  filter: string;
  order: string;
}

interface Pair {
  key: string;
  value: string;
}
interface Found {
  runs?: {
    info: { run_id: string; run_name?: string; experiment_id: string; user_id?: string; status: string; start_time?: number | string; end_time?: number | string };
    data: { metrics?: { key: string; value: number | string }[]; params?: Pair[]; tags?: Pair[] };
  }[];
  next_page_token?: string;
}

const PAGE = 200;
const ALL_PAGE = 1000; // of a CSV: as many as a page may hold
const POLL_MS = 5000;

const timeOf = (text: number | string | undefined) => (text === undefined || Number(text) === 0 ? null : Number(text));
const pairs = (list: Pair[] | undefined) => Object.fromEntries((list ?? []).map((p) => [p.key, p.value]));

function rowOf({ info, data }: NonNullable<Found['runs']>[number]): RunRow {
  return {
    id: info.run_id,
    name: info.run_name ?? '',
    experiment: info.experiment_id,
    user: info.user_id ?? '',
    status: info.status,
    start: timeOf(info.start_time),
    end: timeOf(info.end_time),
    metrics: Object.fromEntries((data.metrics ?? []).map((m) => [m.key, typeof m.value === 'number' ? m.value : null])), // "NaN" is text
    params: pairs(data.params),
    tags: pairs(data.tags),
  };
}

async function ask(search: Search, max: number, token: string | null, signal?: AbortSignal) {
  const body = { experiment_ids: search.experiments, filter: search.filter, order_by: [search.order], max_results: max, page_token: token ?? undefined };
  const found = (await call('POST', '/api/2.0/mlflow/runs/search', { body, signal })) as Found;
  return { rows: (found.runs ?? []).map(rowOf), token: found.next_page_token ?? null };
}

/** Words find names; anything with an operator is the grammar of the search. */
export function filterOf(text: string, status: string): string {
  const plain = text.trim();
  const isGrammar = /[=<>!]|\s(i?like|in|is)\s/i.test(plain);
  const clauses = plain === '' ? [] : isGrammar ? [plain] : plain.split(/\s+/).map((word) => `attributes.run_name ILIKE "%${word.replaceAll('"', '')}%"`);
  if (status) clauses.push(`attributes.status = "${status}"`);
  return clauses.join(' AND ');
}

const attributes: Record<string, string> = { start: 'start_time', name: 'run_name', status: 'status', user: 'user_id', end: 'end_time' };

/** The columns that the server can sort by: attributes, "m:loss", "p:rate". */
export const isSortable = (column: string) => column in attributes || /^[mp]:/.test(column);

export function orderOf(sort: string): string {
  const column = sort.replace(/^-/, '');
  const way = sort.startsWith('-') ? 'DESC' : 'ASC';
  const [kind, name] = [column.slice(0, 2), column.slice(2).replaceAll('`', '')];
  if (kind === 'm:') return `metrics.\`${name}\` ${way}`;
  if (kind === 'p:') return `params.\`${name}\` ${way}`;
  return `attributes.${attributes[column] ?? 'start_time'} ${way}`;
}

interface Listed {
  of: string;
  rows: RunRow[];
  token: string | null;
  error: ApiError | null;
}

const nothing: Listed = { of: '', rows: [], token: null, error: null };

/** The first page may have new runs and newer numbers; what was loaded behind it stays. */
function renew(old: Listed, first: RunRow[], token: string | null): Listed {
  if (token === null || old.rows.length <= first.length) return { ...old, rows: first, token, error: null };
  const fresh = new Set(first.map((r) => r.id));
  return { ...old, rows: [...first, ...old.rows.filter((r) => !fresh.has(r.id))], error: null };
}

export function useRunSearch(search: Search | null) {
  const of = search ? JSON.stringify(search) : '';
  const [listed, setListed] = useState(nothing);
  const [asking, setAsking] = useState(false);
  const busy = useRef(false); // with a page further down
  const wanted = useMemo(() => (of ? (JSON.parse(of) as Search) : null), [of]);

  useEffect(() => {
    if (!wanted) return;
    const controller = new AbortController();
    busy.current = false;
    const first = async (isNew: boolean) => {
      if (isNew) setAsking(true);
      try {
        const page = await ask(wanted, PAGE, null, controller.signal);
        setListed((old) => (old.of === of ? renew(old, page.rows, page.token) : { of, ...page, error: null }));
      } catch (error) {
        if (controller.signal.aborted) return;
        // What was there stays under the message; a filter half typed is no reason to empty the table.
        if (error instanceof ApiError && (isNew || error.status !== 0)) setListed((old) => ({ ...old, of, error }));
      } finally {
        if (!controller.signal.aborted) setAsking(false);
      }
    };
    void first(true);
    const timer = setInterval(() => {
      if (!document.hidden && connectionState.get().state === 'online') void first(false);
    }, POLL_MS);
    return () => {
      clearInterval(timer);
      controller.abort();
    };
  }, [of, wanted]);

  const { token } = listed;
  const onEnd = useCallback(() => {
    if (!wanted || !token || busy.current) return;
    busy.current = true;
    ask(wanted, PAGE, token)
      .then((page) => {
        setListed((old) => {
          if (old.of !== of) return old;
          const known = new Set(old.rows.map((r) => r.id));
          return { ...old, rows: [...old.rows, ...page.rows.filter((r) => !known.has(r.id))], token: page.token };
        });
      })
      .catch((error: unknown) => setListed((old) => (old.of === of && error instanceof ApiError ? { ...old, error } : old)))
      .finally(() => {
        busy.current = false;
      });
  }, [of, wanted, token]);

  const all = useCallback(async () => {
    const rows: RunRow[] = [];
    let next: string | null = null;
    do {
      const page: { rows: RunRow[]; token: string | null } = await ask(wanted!, ALL_PAGE, next);
      rows.push(...page.rows);
      next = page.token;
    } while (next);
    return rows;
  }, [wanted]);

  return { rows: listed.rows, more: token !== null, error: listed.error, isFirst: listed.of === '', asking, onEnd, all };
}

export interface Experiment {
  id: string;
  name: string;
}

interface FoundExperiments {
  experiments?: { experiment_id: string; name: string }[];
  next_page_token?: string;
}

/** All experiments: a search of runs has to name them. */
export function useExperiments(): { experiments: Experiment[] | null; error: Error | null } {
  const [state, setState] = useState<{ experiments: Experiment[] | null; error: Error | null }>({ experiments: null, error: null });
  useEffect(() => {
    const controller = new AbortController();
    call('POST', '/api/2.0/mlflow/experiments/search', { body: { max_results: 1000 }, signal: controller.signal })
      .then((found) => setState({ experiments: ((found as FoundExperiments).experiments ?? []).map((e) => ({ id: e.experiment_id, name: e.name })), error: null }))
      .catch((error: Error) => !controller.signal.aborted && setState({ experiments: null, error }));
    return () => controller.abort();
  }, []);
  return state;
}
