/* Chart: lines over time or steps, drawn by uPlot, which is loaded with the first chart of a page.
 *
 *   <Chart title="loss" x="step" series={[{ label: 'train', x: steps, y: losses }]} controls />
 *
 * Drag zooms, Shift and drag moves, double click shows everything. With `load` the server is asked for the points of what is
 * seen, as many as there are pixels: a million points move like a thousand.
 */
import { useEffect, useId, useMemo, useRef, useState } from 'react';
import type uPlot from 'uplot';
import { useStore } from '../app/store';
import { theme } from '../app/theme';
import { useLang, useWords } from '../i18n';
import { words } from '../i18n/words';
import { Button } from './buttons';
import { formatNumber } from './values';

export interface ChartSeries {
  label: string;
  x: ArrayLike<number>; // rising; seconds since 1970 where x is "time"
  y: ArrayLike<number | null>;
  dashed?: boolean;
}

export interface ChartRange {
  from: number;
  to: number;
  points: number; // how many are worth having
}

export interface ChartProps {
  title: string; // its name for screen readers, and the heading when controls are shown
  series: ChartSeries[];
  x?: 'time' | 'step';
  xTitle?: string; // what steps are, where they are none
  height?: number;
  controls?: boolean; // heading, smoothing, log scale
  unit?: string; // of y
  sync?: string; // charts of the same word share their cursor
  load?: (range: ChartRange, signal: AbortSignal) => Promise<ChartSeries[]>;
  look?: { smoothing: number; isLog: boolean }; // as a page wants it for all its charts; `controls` then show the heading only
}

// A pan asks the server when it rests so long.
const LOAD_AFTER_MS = 80;

/** Exponential mean without the pull towards zero at the start, as TensorBoard has it. */
export function smooth(y: ArrayLike<number | null>, weight: number): (number | null)[] {
  let mean = 0;
  let count = 0;
  return Array.from(y, (value) => {
    if (value === null || !Number.isFinite(value)) return null;
    mean = mean * weight + (1 - weight) * value;
    count++;
    return mean / (1 - weight ** count);
  });
}

/** One x axis for all, with holes where a series has no value there. */
function join(series: ChartSeries[], isLog: boolean): uPlot.AlignedData {
  const clean = (v: number | null | undefined) => (v === null || v === undefined || !Number.isFinite(v) || (isLog && v <= 0) ? null : v);
  const [one] = series;
  if (one && series.every((s) => s.x === one.x)) return [one.x as number[], ...series.map((s) => Array.from(s.y, clean))];
  const xs = [...new Set(series.flatMap((s) => Array.from(s.x)))].sort((a, b) => a - b);
  const place = new Map(xs.map((x, i) => [x, i]));
  const columns = series.map((s) => {
    const column: (number | null | undefined)[] = new Array(xs.length).fill(undefined); // undefined: lines go on across
    for (let i = 0; i < s.x.length; i++) column[place.get(s.x[i]!)!] = clean(s.y[i]);
    return column;
  });
  return [xs, ...columns] as uPlot.AlignedData;
}

function isSoft(series: ChartSeries[], weight: number): { drawn: ChartSeries[]; faint: number } {
  if (weight === 0) return { drawn: series, faint: 0 };
  // What was measured stays, faintly, behind what was made of it.
  return { drawn: [...series, ...series.map((s) => ({ ...s, y: smooth(s.y, weight) }))], faint: series.length };
}

export function Chart({ title, series, x = 'time', xTitle, height = 220, controls = false, unit, sync, load, look }: ChartProps) {
  const t = useWords(words);
  const { lang } = useLang();
  const colours = useStore(theme);
  const holder = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const id = useId();
  const [ownWeight, setWeight] = useState(0);
  const [ownLog, setLog] = useState(false);
  const weight = look?.smoothing ?? ownWeight;
  const isLog = look?.isLog ?? ownLog;
  const [zoom, setZoom] = useState<{ from: number; to: number } | null>(null);
  const [loaded, setLoaded] = useState<ChartSeries[] | null>(null);
  const zoomRef = useRef(zoom);
  zoomRef.current = zoom;

  const shown = zoom && loaded ? loaded : series;
  const { drawn, faint } = useMemo(() => isSoft(shown, weight), [shown, weight]);
  const data = useMemo(() => join(drawn, isLog), [drawn, isLog]);
  const shape = drawn.map((s) => `${s.label}${s.dashed ? '~' : ''}`).join('\n');
  const dataRef = useRef(data);
  dataRef.current = data;

  // The plot is made anew when its shape changes, not with each new point.
  useEffect(() => {
    const element = holder.current;
    if (!element) return;
    let isGone = false;
    let observer: ResizeObserver | undefined;
    void import('./plot').then(({ makePlot }) => {
      if (isGone) return;
      plot.current = makePlot(element, dataRef.current, {
        labels: drawn.map((s) => s.label),
        dashed: drawn.map((s) => s.dashed ?? false),
        faint,
        colourCount: series.length,
        isTime: x === 'time',
        isLog,
        height,
        unit,
        sync,
        lang,
        xLabel: x === 'time' ? t('chartTime') : (xTitle ?? t('chartStep')),
        format: (v) => formatNumber(v, lang),
        onZoom: setZoom,
      });
      const at = zoomRef.current;
      if (at) plot.current.setScale('x', { min: at.from, max: at.to });
      observer = new ResizeObserver(() => plot.current?.setSize({ width: element.clientWidth, height }));
      observer.observe(element);
    });
    return () => {
      isGone = true;
      observer?.disconnect();
      plot.current?.destroy();
      plot.current = null;
    };
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [shape, faint, isLog, colours, lang, height, x, unit, sync]);

  useEffect(() => {
    const at = zoomRef.current;
    plot.current?.setData(data, at === null);
    if (at) plot.current?.setScale('x', { min: at.from, max: at.to });
  }, [data]);

  useEffect(() => {
    if (!zoom) {
      setLoaded(null);
      if (plot.current) plot.current.setData(dataRef.current, true);
      return;
    }
    if (!load) return;
    const controller = new AbortController();
    const timer = setTimeout(() => {
      const points = Math.max(100, holder.current?.clientWidth ?? 800);
      load({ ...zoom, points }, controller.signal).then(setLoaded, () => {});
    }, LOAD_AFTER_MS);
    return () => {
      clearTimeout(timer);
      controller.abort();
    };
  }, [zoom, load]);

  const isEmpty = series.every((s) => s.x.length === 0);
  const lastOf = (s: ChartSeries) => formatNumber(s.y.length ? s.y[s.y.length - 1] : null, lang);
  return (
    <figure className="min-w-0">
      {controls && (
        <figcaption className="flex flex-wrap items-center gap-x-4 gap-y-1 mb-1">
          <span className="font-semibold grow">{title}</span>
          {zoom && <Button look="quiet" onClick={() => setZoom(null)}>{t('resetZoom')}</Button>}
          {!look && (
            <>
              <label className="inline-flex items-center gap-2 text-muted">
                {t('smoothing')}
                <input type="range" min={0} max={0.99} step={0.01} value={weight} onChange={(e) => setWeight(e.target.valueAsNumber)} className="w-24 accent-accent" />
              </label>
              <label className="inline-flex items-center gap-1.5 text-muted">
                <input type="checkbox" checked={isLog} onChange={(e) => setLog(e.target.checked)} className="size-4 accent-accent" />
                {t('logScale')}
              </label>
            </>
          )}
        </figcaption>
      )}
      <div role="img" aria-label={title} aria-describedby={id} className="relative" style={{ minHeight: height }}>
        {isEmpty && <p className="absolute inset-0 grid place-items-center text-muted">{t('chartEmpty')}</p>}
        <div ref={holder} className={isEmpty ? 'invisible' : ''} title={t('chartHint')} />
      </div>
      <p id={id} className="sr-only">{series.map((s) => t('chartLast', { label: s.label, value: lastOf(s) })).join('; ')}</p>
    </figure>
  );
}
