/* The program's own series: ready boards, and any question in PromQL. */
import { useEffect, useState, type FormEvent } from 'react';
import { ApiError } from '../../api/client';
import { connectionState } from '../../api/connection';
import { useParam } from '../../app/params';
import { useStore } from '../../app/store';
import { useText, useWords } from '../../i18n';
import { Button, Chart, DataTable, EmptyState, ErrorState, Loading, Num, Page, ProblemText, SelectField, Tabs, TextField, type Column } from '../../ui';
import { boards, type Board, type Panel } from './boards';
import { nameOf, range, seriesNames, withWindow, type Line, type Span } from './prom';
import { words } from './words';

const REFRESH_MS = 15000;
const SYNC = 'metrics';
const ranges = { '15m': 900, '1h': 3600, '6h': 21600, '24h': 86400, '7d': 604800, '30d': 2592000 } as const;
type Range = keyof typeof ranges;

/** The end of what is shown: moves on while the page is looked at. */
function useSpan(chosen: Range): Span {
  const [to, setTo] = useState(() => Date.now() / 1000);
  useEffect(() => {
    const timer = setInterval(() => {
      if (!document.hidden && connectionState.get().state === 'online') setTo(Date.now() / 1000);
    }, REFRESH_MS);
    return () => clearInterval(timer);
  }, []);
  return { from: to - ranges[chosen], to };
}

interface Answered {
  of: string;
  lines: Line[];
  all: number;
}

function useRange(queries: { query: string; label?: string }[], span: Span): { answer: Answered | null; error: Error | null } {
  const [answer, setAnswer] = useState<Answered | null>(null);
  const [error, setError] = useState<Error | null>(null);
  const generation = useStore(connectionState).generation;
  const of = JSON.stringify(queries);
  useEffect(() => {
    const controller = new AbortController();
    const asked = JSON.parse(of) as typeof queries;
    Promise.all(asked.map(({ query }) => range(query, span, controller.signal)))
      .then((found) => {
        const lines = found.flatMap(({ lines }, i) => lines.map((line) => (asked[i]!.label ? { ...line, label: asked[i]!.label! } : line)));
        setAnswer({ of, lines, all: found.reduce((sum, f) => sum + f.all, 0) });
        setError(null);
      })
      .catch((e: Error) => !controller.signal.aborted && setError(e));
    return () => controller.abort();
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [of, span.from, span.to, generation]);
  return { answer: answer?.of === of ? answer : null, error };
}

export default function Metrics() {
  const t = useWords(words);
  const text = useText();
  const [rangeText, setRange] = useParam('range', '1h');
  const chosen = rangeText in ranges ? (rangeText as Range) : '1h';
  const span = useSpan(chosen);
  return (
    <Page
      title={t('title')}
      actions={<SelectField label={t('range')} hideLabel value={chosen} onChange={setRange} options={(Object.keys(ranges) as Range[]).map((r) => ({ value: r, label: t(`range_${r}`) }))} />}
    >
      <Tabs
        label={t('boards')}
        param="board"
        tabs={[...boards.map((b) => ({ id: b.id, title: text(b.title), render: () => <BoardView board={b} span={span} /> })), { id: 'query', title: t('query'), render: () => <Query span={span} /> }]}
      />
    </Page>
  );
}

function BoardView({ board, span }: { board: Board; span: Span }) {
  return (
    <div className="grid gap-3 md:grid-cols-2 2xl:grid-cols-3">
      {board.panels.map((panel) => <PanelView key={`${board.id} ${panel.title.en}`} panel={panel} span={span} />)}
    </div>
  );
}

function PanelView({ panel, span }: { panel: Panel; span: Span }) {
  const t = useWords(words);
  const text = useText();
  const { answer, error } = useRange(panel.queries, span);
  const title = panel.unit ? `${text(panel.title)} (${panel.unit})` : text(panel.title);
  const query = panel.queries.map((q) => withWindow(q.query, span)).join('\n');
  return (
    <section aria-label={title} className="card p-3 min-w-0">
      <h2 className="font-semibold mb-1" title={query}>{title}</h2>
      {error && !answer ? (
        <ErrorState error={error} />
      ) : answer === null ? (
        <div aria-busy="true" className="h-60" />
      ) : answer.lines.length === 0 ? (
        <p className="h-60 grid place-items-center text-muted">{t('noPoints')}</p>
      ) : (
        <Chart title={title} series={answer.lines} x="time" height={190} sync={SYNC} />
      )}
    </section>
  );
}

/* ---------------------------------------------------------------- any question */

const examples = [
  'sum by (route) (rate(chs_api_requests_total[$window]))',
  'topk(5, sum by (kind) (rate(skerry_job_seconds_sum[$window])))',
  'histogram_quantile(0.95, sum by (le) (rate(chs_api_request_seconds_bucket[$window])))',
];

function Query({ span }: { span: Span }) {
  const t = useWords(words);
  const [query, setQuery] = useParam('query');
  const [typed, setTyped] = useState(query);
  const [names, setNames] = useState<string[]>([]);
  useEffect(() => setTyped(query), [query]);
  useEffect(() => {
    const controller = new AbortController();
    seriesNames(controller.signal).then(setNames, () => {});
    return () => controller.abort();
  }, []);
  const run = (event: FormEvent) => {
    event.preventDefault();
    setQuery(typed.trim(), { push: true });
  };
  return (
    <div className="flex flex-col gap-4">
      <form onSubmit={run} className="flex flex-wrap items-start gap-2">
        <div className="grow basis-72">
          <TextField label={t('queryLabel')} hideLabel spellCheck={false} autoComplete="off" placeholder="rate(chs_api_requests_total[5m])" value={typed} onChange={setTyped} hint={t('queryHint')} />
        </div>
        <div className="w-56 max-w-full">
          <SelectField label={t('series')} hideLabel value="" onChange={(name) => name && setTyped((old) => (old ? `${old} ${name}` : name))} options={[{ value: '', label: t('series') }, ...names.map((name) => ({ value: name, label: name }))]} />
        </div>
        <Button look="primary" type="submit">{t('run')}</Button>
      </form>
      {query ? (
        <Answer query={query} span={span} />
      ) : (
        <EmptyState icon="metrics" title={t('noQuery')}>
          <p className="mb-2">{t('noQueryNext')}</p>
          <ul className="flex flex-col gap-1">
            {examples.map((example) => (
              <li key={example}><button type="button" onClick={() => setQuery(example, { push: true })} className="text-accent underline underline-offset-2 break-all"><code>{example}</code></button></li>
            ))}
          </ul>
        </EmptyState>
      )}
    </div>
  );
}

function Answer({ query, span }: { query: string; span: Span }) {
  const t = useWords(words);
  const { answer, error } = useRange([{ query }], span);
  if (error && !answer) {
    const isQuery = error instanceof ApiError && (error.status === 400 || error.status === 422);
    return isQuery ? <p role="alert" className="text-bad break-words"><ProblemText error={error} /></p> : <ErrorState error={error} />;
  }
  if (!answer) return <Loading />;
  if (answer.lines.length === 0) return <EmptyState icon="search" title={t('nothingFound')}>{t('nothingFoundNext')}</EmptyState>;
  const last = (line: Line) => (line.y.length ? line.y[line.y.length - 1] : null);
  const columns: Column<Line>[] = [
    { id: 'series', title: t('seriesOne'), value: (l) => nameOf(l.labels) || query },
    { id: 'last', title: t('last'), value: last, cell: (l) => <Num value={last(l)} />, width: 140, align: 'right' },
  ];
  return (
    <>
      <div className="card p-3"><Chart title={query} series={answer.lines} x="time" height={320} controls /></div>
      {answer.all > answer.lines.length && <p className="text-muted">{t('someLines', { n: answer.lines.length, all: answer.all })}</p>}
      <DataTable name="metrics.query" label={t('lastValues')} param="v" rows={answer.lines} rowKey={(l) => nameOf(l.labels)} columns={columns} />
    </>
  );
}
