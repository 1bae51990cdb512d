/* Some runs side by side: what differs in what they were given, their numbers, their charts over each other. */
import { useEffect, useMemo, useState, type ReactNode } from 'react';
import { api } from '../../api/client';
import type { RunDetail } from '../../api/types';
import { useParam } from '../../app/params';
import { useWords } from '../../i18n';
import { CheckField, DataTable, Duration, EmptyState, ErrorState, LinkButton, Loading, Num, Page, Section, Status, TextLink, Time, type CellValue, type Column } from '../../ui';
import { MetricCharts } from './Charts';
import { byInterest } from '../../app/interest';
import { words } from './words';

const POLL_MS = 4000;
const COMPARED_MAX = 10;

function useRuns(ids: string): { runs: RunDetail[] | null; error: Error | null; tick: number } {
  const [state, setState] = useState<{ of: string; runs: RunDetail[] | null; error: Error | null; tick: number }>({ of: '', runs: null, error: null, tick: 0 });
  useEffect(() => {
    if (!ids) return;
    const controller = new AbortController();
    const ask = async () => {
      try {
        const runs = await Promise.all(ids.split(',').map((runId) => api('GET', '/v1/runs/{runId}', { path: { runId }, signal: controller.signal })));
        setState((old) => ({ of: ids, runs, error: null, tick: old.tick + Number(JSON.stringify(old.runs) !== JSON.stringify(runs)) }));
      } catch (error) {
        if (!controller.signal.aborted) setState((old) => ({ ...old, of: ids, runs: old.of === ids ? old.runs : null, error: error as Error }));
      }
    };
    void ask();
    const timer = setInterval(() => !document.hidden && void ask(), POLL_MS);
    return () => {
      clearInterval(timer);
      controller.abort();
    };
  }, [ids]);
  return state;
}

export default function Compare() {
  const t = useWords(words);
  const [given] = useParam('runs');
  const ids = [...new Set(given.split(',').filter(Boolean))].slice(0, COMPARED_MAX).join(',');
  const { runs, error, tick } = useRuns(ids);
  return (
    <Page title={t('compareTitle')} crumbs={[{ title: t('title'), href: '/runs' }]}>
      {!ids ? (
        <EmptyState icon="runs" title={t('compareEmpty')} action={<LinkButton href="/runs">{t('allRuns')}</LinkButton>}>{t('compareEmptyNext')}</EmptyState>
      ) : runs ? (
        <Compared runs={runs} tick={tick} />
      ) : error ? (
        <ErrorState error={error} />
      ) : (
        <Loading />
      )}
    </Page>
  );
}

function datasetOf(run: RunDetail): string | null {
  const found = run.inputs.find((a) => a.id === run.datasetId);
  return found ? `${found.name}@${found.version}` : run.datasetId || null;
}

interface Cell {
  value: CellValue;
  shown: ReactNode;
}
interface Line {
  key: string;
  differs: boolean;
  cells: Cell[];
}

function linesOf<T extends CellValue>(runs: RunDetail[], of: (run: RunDetail) => Record<string, T>, show: (value: T | undefined) => ReactNode, order = (a: string, b: string) => a.localeCompare(b)): Line[] {
  const keys = [...new Set(runs.flatMap((run) => Object.keys(of(run))))].sort(order);
  return keys.map((key) => {
    const values = runs.map((run) => of(run)[key]);
    return { key, differs: values.some((v) => v !== values[0]), cells: values.map((value) => ({ value, shown: show(value) })) };
  });
}

function Compared({ runs, tick }: { runs: RunDetail[]; tick: number }) {
  const t = useWords(words);
  const [differing, setDiffering] = useParam('differing');
  const onlyDiffering = differing === '1';
  const none = <span className="text-muted">–</span>;
  const params = linesOf(runs, (r) => r.params, (v) => (v === undefined ? none : <span className="font-mono" title={v}>{v}</span>));
  const metrics = linesOf(runs, (r) => r.metrics, (v) => (v === undefined ? none : <Num value={v} digits={5} />), byInterest);
  // Runs of the same name are told apart by the beginning of their ids.
  const labels = runs.map((r) => {
    const name = r.name || r.runId.slice(0, 8);
    return runs.filter((other) => other.name === r.name).length > 1 ? `${name} ${r.runId.slice(0, 6)}` : name;
  });
  const fact = (key: string, cell: (run: RunDetail, i: number) => Cell): Line => {
    const cells = runs.map(cell);
    return { key, differs: new Set(cells.map((c) => c.value)).size > 1, cells };
  };
  const facts: Line[] = [
    fact(t('run'), (r, i) => ({ value: r.runId, shown: <TextLink href={`/runs/${r.runId}`}>{labels[i]}</TextLink> })),
    fact(t('state'), (r) => ({ value: r.status, shown: <Status state={r.status} /> })),
    fact(t('started'), (r) => ({ value: r.startedAt, shown: <Time at={r.startedAt} /> })),
    fact(t('took'), (r) => ({
      value: r.startedAt && r.finishedAt ? (Date.parse(r.finishedAt) - Date.parse(r.startedAt)) / 1000 : null,
      shown: r.startedAt && (r.finishedAt || r.status === 'RUNNING') ? <Duration from={r.startedAt} to={r.finishedAt} /> : '–',
    })),
    fact(t('dataset'), (r) => ({ value: datasetOf(r), shown: datasetOf(r) ?? none })),
  ];
  const shape = runs.map((r) => `${r.runId} ${r.startedAt}`).join();
  const chartRuns = useMemo(() => runs.map((r, i) => ({ id: r.runId, label: labels[i]!, start: r.startedAt ? Date.parse(r.startedAt) : null })), [shape]); // eslint-disable-line react-hooks/exhaustive-deps
  const table = (name: string, title: string, lines: Line[], align: 'right' | undefined, empty: string) => (
    <Section title={title}>
      <SideBySide name={name} label={title} runs={runs} labels={labels} lines={onlyDiffering ? lines.filter((l) => l.differs) : lines} align={align} empty={lines.length ? t('allSame') : empty} />
    </Section>
  );
  return (
    <>
      <div><CheckField label={t('onlyDiffering')} value={onlyDiffering} onChange={(on) => setDiffering(on ? '1' : '')} /></div>
      {table('compare.facts', t('overview'), facts, undefined, '')}
      <Section title={t('charts')} card={false}>
        <MetricCharts runs={chartRuns} metrics={metrics.map((l) => l.key)} tick={tick} />
      </Section>
      {table('compare.metrics', t('metrics'), metrics, 'right', t('noMetrics'))}
      {table('compare.params', t('params'), params, undefined, t('noParams'))}
    </>
  );
}

function SideBySide({ name, label, runs, labels, lines, align, empty }: { name: string; label: string; runs: RunDetail[]; labels: string[]; lines: Line[]; align: 'right' | undefined; empty: string }) {
  const t = useWords(words);
  if (lines.length === 0) return <p className="text-muted">{empty}</p>;
  const columns: Column<Line>[] = [
    { id: 'key', title: t('key'), value: (l) => l.key, cell: (l) => <span className={l.differs ? 'font-semibold' : 'text-muted'}>{l.key}</span>, width: 190 },
    ...runs.map((run, i): Column<Line> => ({
      id: run.runId,
      title: labels[i]!,
      mark: <span aria-hidden className={`shrink-0 size-2 rounded-full ${dots[i % dots.length]}`} />,
      value: (l) => l.cells[i]!.value,
      cell: (l) => <span className={l.differs ? '' : 'text-muted'}>{l.cells[i]!.shown}</span>,
      width: 150,
      rank: 0,
      align,
    })),
  ];
  return <DataTable name={name} label={label} simple param={`${name.split('.')[1]!}.`} rows={lines} rowKey={(l) => l.key} rowData={(l) => ({ 'data-differs': l.differs })} columns={columns} />;
}

// The colours of the lines in the charts, in the same order.
const dots = ['bg-(--chart-1)', 'bg-(--chart-2)', 'bg-(--chart-3)', 'bg-(--chart-4)', 'bg-(--chart-5)', 'bg-(--chart-6)', 'bg-(--chart-7)', 'bg-(--chart-8)'];
