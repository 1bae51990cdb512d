/* One evaluation: its numbers as the server says them, calibration, rating bands, top k. */
import { useParams } from 'wouter';
import { urlOf } from '../../api/client';
import { useApi } from '../../api/useApi';
import { jobOver } from '../../api/useJob';
import { useWords } from '../../i18n';
import { Live } from '../../start/Live';
import { Chart, DataTable, ErrorState, Facts, Failure, LinkButton, Loading, Num, Page, Section, Status, type ChartSeries, type Column } from '../../ui';
import './types';
import type { EvaluationWhole, Point } from './types';
import { words } from './words';

const number = (x: Point['x'], i: number) => (typeof x === 'number' ? x : i);

function chartOf(e: EvaluationWhole, metric: string, who: (label: string) => string): ChartSeries[] {
  return (e.series ?? [])
    .filter((s) => s.metric === metric)
    .map((s) => {
      const points = s.points.filter((p) => p.value !== null && p.x !== null);
      return { label: who(s.label), x: points.map((p, i) => number(p.x, i)), y: points.map((p) => p.value) };
    });
}

/** Every number that there is: suites differ, names are the server's. */
function numbersOf(value: unknown, name = ''): [string, React.ReactNode][] {
  if (typeof value === 'number') return [[name, <Num value={value} />]];
  if (typeof value === 'string') return [[name, value]];
  if (value && typeof value === 'object' && !Array.isArray(value)) return Object.entries(value).flatMap(([key, v]) => numbersOf(v, name ? `${name} ${key}` : key));
  return [];
}

/** The same question once more, as the form asks it. */
function againOf(e: EvaluationWhole): string {
  const [candidateModelId = '', candidateVersion = ''] = e.candidate.split('@');
  const [baselineModelId = '', baselineVersion = ''] = (e.baseline ?? '').split('@');
  return urlOf('/judged/new', {}, { candidateModelId, candidateVersion, baselineModelId, baselineVersion, suite: e.suite });
}

export default function Evaluation() {
  const t = useWords(words);
  const { runId = '' } = useParams<{ runId: string }>();
  const asked = useApi('/v1/evaluations/{runId}', { path: { runId } as never }, { poll: 5000 });
  const e = asked.data;
  const crumbs = [{ title: t('title'), href: '/judged' }];
  if (!e) return <Page title={t('title')} crumbs={crumbs}>{asked.error ? <ErrorState error={asked.error} retry={asked.refetch} /> : <Loading />}</Page>;
  const who = (label: string) => (label === 'candidate' || label === 'baseline' ? t(label) : label);
  const calibration = chartOf(e, 'calibration', who);
  const topk = chartOf(e, 'topk', who);
  const bands = (e.series ?? []).filter((s) => s.metric.endsWith('_by_rating')).flatMap((s) => s.points.map((p) => ({ ...p, label: s.label })));
  const columns: Column<Point & { label: string }>[] = [
    { id: 'band', title: t('band'), value: (p) => p.x, width: 120 },
    { id: 'who', title: t('candidate'), value: (p) => who(p.label), width: 120 },
    { id: 'positions', title: t('positions'), value: (p) => p.positions, cell: (p) => <Num value={p.positions} />, width: 110, align: 'right' },
    { id: 'value', title: e.suite === 'acpl' ? 'ACPL' : t('top1'), value: (p) => p.value, cell: (p) => <Num value={p.value} percent={e.suite !== 'acpl'} />, width: 90, align: 'right' },
    { id: 'logLoss', title: t('logLoss'), value: (p) => p.logLoss, cell: (p) => <Num value={p.logLoss} />, width: 110, align: 'right' },
    { id: 'ece', title: t('ece'), value: (p) => p.ece, cell: (p) => <Num value={p.ece} digits={3} />, width: 90, align: 'right' },
  ];
  return (
    <Page title={`${e.candidate}, ${e.suite}`} crumbs={crumbs} actions={<><Status state={e.status} />{jobOver(e.status) && <LinkButton needs="POST /v1/evaluations" icon="retry" href={againOf(e)}>{t('again')}</LinkButton>}<LinkButton icon="runs" href={`/runs/${e.id}`}>{t('run')}</LinkButton></>}>
      <Failure of={e} />
      {!jobOver(e.status) && (
        <Section title={t('goes')}>
          <p className="text-muted mb-3">{t('going')}</p>
          <Live jobId={e.jobId} label={t('progressOf', { name: `${e.candidate}, ${e.suite}` })} onEnd={asked.refetch} />
        </Section>
      )}
      <div className="grid gap-5 xl:grid-cols-2">
        {calibration.length > 0 && (
          <Section title={t('calibration')}>
            <p className="text-muted mb-2">{t('calibrationText')}</p>
            <Chart title={t('calibration')} x="step" xTitle={t('predicted')} series={[...calibration, { label: t('perfect'), x: [0, 1], y: [0, 1], dashed: true }]} />
          </Section>
        )}
        {topk.length > 0 && <Section title={t('topk')}><Chart title={t('topk')} x="step" xTitle="k" series={topk} /></Section>}
        {bands.length > 0 && <Section title={t('bands')} className="xl:col-span-2"><DataTable name="evaluation.bands" label={`${t('bands')} (${t('table')})`} simple height={420} rows={bands} rowKey={(p) => `${p.label} ${p.x}`} columns={columns} /></Section>}
        {e.summary && <Section title={t('summary')}><Facts of={numbersOf(e.summary)} /></Section>}
      </div>
    </Page>
  );
}
