/* The charts of one run or several: one for each metric, fetched when it comes into sight, kept current while a run goes on. */
import { useEffect, useMemo, useRef, useState } from 'react';
import { useParam } from '../../app/params';
import { useLang, useWords } from '../../i18n';
import { Button, Chart, CheckField, EmptyState, ErrorState, Num, SelectField, TextField, type ChartProps } from '../../ui';
import { axes, seriesIn, wholeSeries, type Axis, type Drawn, type RunOfChart } from './series';
import { words } from './words';

const POINTS = 1000;
const AT_FIRST = 24; // charts; more by a button
const HEIGHT = 200;
const COLOURS = 8;

export function useSeen() {
  const ref = useRef<HTMLDivElement>(null);
  const [seen, setSeen] = useState(false);
  useEffect(() => {
    if (!ref.current) return;
    const observer = new IntersectionObserver((entries) => setSeen(entries.some((e) => e.isIntersecting)), { rootMargin: '200px' });
    observer.observe(ref.current);
    return () => observer.disconnect();
  }, []);
  return [ref, seen] as const;
}

function MetricChart({ runs, metric, axis, look, tick }: { runs: RunOfChart[]; metric: string; axis: Axis; look: ChartProps['look']; tick: number }) {
  const [ref, seen] = useSeen();
  const [drawn, setDrawn] = useState<Drawn | null>(null);
  const [error, setError] = useState<Error | null>(null);
  const of = runs.map((r) => r.id).join();

  useEffect(() => {
    if (!seen) return;
    const controller = new AbortController();
    wholeSeries(runs, metric, axis, POINTS, controller.signal)
      .then((next) => {
        setDrawn(next);
        setError(null);
      })
      .catch((e: Error) => !controller.signal.aborted && setError(e));
    return () => controller.abort();
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [seen, of, metric, axis, tick]);

  const load = useMemo(() => (drawn && !drawn.isWhole ? seriesIn(runs, metric, axis) : undefined), [drawn?.isWhole, of, metric, axis]); // eslint-disable-line react-hooks/exhaustive-deps
  return (
    <div ref={ref} className="card p-3 min-w-0" data-metric={metric}>
      {error && !drawn ? (
        <ErrorState error={error} />
      ) : drawn && isSingle(drawn) ? (
        <Singles metric={metric} drawn={drawn} />
      ) : drawn ? (
        <Chart title={metric} series={drawn.series} x={axis === 'time' ? 'time' : 'step'} height={HEIGHT} controls look={look} sync={`runs-${axis}`} load={load} />
      ) : (
        <>
          <p className="font-semibold">{metric}</p>
          <div aria-busy="true" className="h-60" />
        </>
      )}
    </div>
  );
}

const isSingle = ({ series }: Drawn) => series.every((s) => s.x.length <= 1) && series.some((s) => s.x.length === 1);

/** Metrics that were measured once, at the end: a line has nothing to show. Of one run the number, of several a bar for each. */
function Singles({ metric, drawn }: { metric: string; drawn: Drawn }) {
  const t = useWords(words);
  const values = drawn.series.flatMap((s, i) => (s.x.length ? [{ label: s.label, value: s.y[0] ?? null, colour: `var(--chart-${(i % COLOURS) + 1})` }] : []));
  const most = Math.max(...values.map((v) => Math.abs(v.value ?? 0)));
  const [only] = values;
  return (
    <div className="min-h-60" data-single>
      <p className="font-semibold mb-2">{metric}</p>
      {drawn.series.length === 1 && only ? (
        <><p className="text-2xl font-semibold pt-2"><Num value={only.value} /></p><p className="text-muted">{t('once')}</p></>
      ) : (
        <ul className="flex flex-col gap-2 max-h-52 overflow-y-auto">
          {values.map((v, i) => (
            <li key={i}>
              <span className="flex justify-between gap-3"><span className="min-w-0 break-words text-muted">{v.label}</span><span className="font-medium"><Num value={v.value} /></span></span>
              <span aria-hidden className="block h-2 rounded-full bg-raised overflow-hidden"><span className="block h-full rounded-full" style={{ width: `${most ? (Math.abs(v.value ?? 0) / most) * 100 : 0}%`, background: v.colour }} /></span>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}

/** `tick` moves when there may be new points. */
export function MetricCharts({ runs, metrics, tick }: { runs: RunOfChart[]; metrics: string[]; tick: number }) {
  const { lang } = useLang();
  const t = useWords(words);
  const [filter, setFilter] = useParam('metric');
  const [axisText, setAxis] = useParam('x', 'step');
  const [smoothingText, setSmoothing] = useParam('smooth', '0');
  const [log, setLog] = useParam('log');
  const [isMore, setMore] = useState(false);
  const axis = axes.find((a) => a === axisText) ?? 'step';
  const smoothing = Math.min(0.99, Math.max(0, Number(smoothingText) || 0));
  const look = useMemo(() => ({ smoothing, isLog: log === '1' }), [smoothing, log]);
  const found = metrics.filter((m) => m.toLowerCase().includes(filter.toLowerCase()));
  const shown = isMore ? found : found.slice(0, AT_FIRST);
  if (metrics.length === 0) return <EmptyState icon="metrics" title={t('noMetrics')}>{t('noMetricsNext')}</EmptyState>;
  return (
    <div className="flex flex-col gap-3">
      <div className="flex flex-wrap items-center gap-x-4 gap-y-2">
        <div className="w-56"><TextField label={t('findMetric')} hideLabel type="search" placeholder={t('findMetric')} value={filter} onChange={setFilter} /></div>
        <div className="w-40"><SelectField label={t('axis')} hideLabel value={axis} onChange={setAxis} options={axes.map((a) => ({ value: a, label: t(`axis_${a}`) }))} /></div>
        <label className="inline-flex items-center gap-2">
          {t('smoothing')}
          <input type="range" min={0} max={0.99} step={0.01} value={smoothing} onChange={(e) => setSmoothing(e.target.value)} className="w-32 accent-accent" />
          <output className="w-10 text-muted">{smoothing.toLocaleString(lang, { minimumFractionDigits: 2 })}</output>
        </label>
        <CheckField label={t('logScale')} value={log === '1'} onChange={(on) => setLog(on ? '1' : '')} />
      </div>
      {found.length === 0 && <p className="text-muted">{t('noMetricFound')}</p>}
      <div className={`grid gap-3 ${shown.length > 1 ? 'md:grid-cols-2 2xl:grid-cols-3' : ''}`}>
        {shown.map((metric) => <MetricChart key={metric} runs={runs} metric={metric} axis={axis} look={look} tick={tick} />)}
      </div>
      {shown.length < found.length && <div><Button onClick={() => setMore(true)}>{t('moreCharts', { n: found.length - shown.length })}</Button></div>}
    </div>
  );
}
