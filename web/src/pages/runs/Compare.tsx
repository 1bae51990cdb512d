/* Some runs side by side: what differs in what they were given, their numbers, their charts over each other. */
import { useEffect, useMemo, useState, type ReactNode } from 'react';
import { api } from '../../api/client';
import type { RunDetail } from '../../api/types';
import { useParam } from '../../app/params';
import { useWords } from '../../i18n';
import { CheckField, Duration, EmptyState, ErrorState, LinkButton, Loading, Num, Page, Section, Status, TextLink, Time } from '../../ui';
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

interface Line {
  key: string;
  differs: boolean;
  cells: ReactNode[];
}

function linesOf<T>(runs: RunDetail[], of: (run: RunDetail) => Record<string, T>, show: (value: T | undefined) => ReactNode, order = (a: string, b: string) => a.localeCompare(b)): Line[] {
  const keys = [...new Set(runs.flatMap((run) => Object.keys(of(run))))].sort(order);
  return keys.map((key) => {
    const values = runs.map((run) => of(run)[key]);
    return { key, differs: values.some((v) => v !== values[0]), cells: values.map(show) };
  });
}

function Compared({ runs, tick }: { runs: RunDetail[]; tick: number }) {
  const t = useWords(words);
  const [differing, setDiffering] = useParam('differing');
  const onlyDiffering = differing === '1';
  const none = <span className="text-muted">–</span>;
  const params = linesOf(runs, (r) => r.params, (v) => (v === undefined ? none : <span className="font-mono break-all">{v}</span>));
  const metrics = linesOf(runs, (r) => r.metrics, (v) => (v === undefined ? none : <Num value={v} digits={5} />), byInterest);
  const facts: Line[] = [
    { key: t('state'), differs: true, cells: runs.map((r) => <Status key={r.runId} state={r.status} />) },
    { key: t('started'), differs: true, cells: runs.map((r) => <Time key={r.runId} at={r.startedAt} />) },
    { key: t('took'), differs: true, cells: runs.map((r) => (r.startedAt && (r.finishedAt || r.status === 'RUNNING') ? <Duration key={r.runId} from={r.startedAt} to={r.finishedAt} /> : '–')) },
    { key: t('dataset'), differs: new Set(runs.map((r) => r.datasetId)).size > 1, cells: runs.map((r) => datasetOf(r) ?? none) },
  ];
  // Runs of the same name are told apart by the beginning of their ids.
  const labels = runs.map((r) => {
    const name = r.name || r.runId.slice(0, 8);
    return runs.filter((other) => other.name === r.name).length > 1 ? `${name} ${r.runId.slice(0, 6)}` : name;
  });
  const shape = runs.map((r) => `${r.runId} ${r.startedAt}`).join();
  const chartRuns = useMemo(() => runs.map((r, i) => ({ id: r.runId, label: labels[i]!, start: r.startedAt ? Date.parse(r.startedAt) : null })), [shape]); // eslint-disable-line react-hooks/exhaustive-deps
  const table = (title: string, lines: Line[], align: 'left' | 'right', empty: string) => (
    <Section title={title}>
      <SideBySide label={title} runs={runs} labels={labels} lines={onlyDiffering ? lines.filter((l) => l.differs) : lines} align={align} empty={lines.length ? t('allSame') : empty} />
    </Section>
  );
  return (
    <>
      <div><CheckField label={t('onlyDiffering')} value={onlyDiffering} onChange={(on) => setDiffering(on ? '1' : '')} /></div>
      {table(t('overview'), facts, 'left', '')}
      <Section title={t('charts')} card={false}>
        <MetricCharts runs={chartRuns} metrics={metrics.map((l) => l.key)} tick={tick} />
      </Section>
      {table(t('metrics'), metrics, 'right', t('noMetrics'))}
      {table(t('params'), params, 'left', t('noParams'))}
    </>
  );
}

function SideBySide({ label, runs, labels, lines, align, empty }: { label: string; runs: RunDetail[]; labels: string[]; lines: Line[]; align: 'left' | 'right'; empty: string }) {
  const t = useWords(words);
  if (lines.length === 0) return <p className="text-muted">{empty}</p>;
  const side = align === 'right' ? 'text-right' : 'text-left';
  return (
    <div className="overflow-x-auto" role="group" aria-label={label} tabIndex={0}>
      <table className="border-collapse min-w-full">
        <caption className="sr-only">{label}</caption>
        <thead>
          <tr>
            <th scope="col" className="sticky left-0 bg-surface text-left pr-4 pb-1 border-b border-line"><span className="sr-only">{t('key')}</span></th>
            {runs.map((run, i) => (
              <th key={run.runId} scope="col" className={`px-3 pb-1 border-b border-line font-semibold whitespace-nowrap ${side}`}>
                <span aria-hidden className={`inline-block size-2 rounded-full mr-1.5 ${dots[i % dots.length]}`} />
                <TextLink href={`/runs/${run.runId}`}>{labels[i]}</TextLink>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {lines.map((line) => (
            <tr key={line.key} data-differs={line.differs} className="border-b border-line last:border-b-0">
              <th scope="row" className={`sticky left-0 bg-surface text-left pr-4 py-1 whitespace-nowrap max-w-60 truncate ${line.differs ? 'font-semibold' : 'font-normal text-muted'}`} title={line.key}>{line.key}</th>
              {line.cells.map((cell, i) => <td key={runs[i]!.runId} className={`px-3 py-1 ${side} ${line.differs ? '' : 'text-muted'}`}>{cell}</td>)}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

// The colours of the lines in the charts, in the same order.
const dots = ['bg-(--chart-1)', 'bg-(--chart-2)', 'bg-(--chart-3)', 'bg-(--chart-4)', 'bg-(--chart-5)', 'bg-(--chart-6)', 'bg-(--chart-7)', 'bg-(--chart-8)'];
