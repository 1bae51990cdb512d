/* uPlot as our charts use it. Loaded with the first chart. */
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { token } from '../app/theme';
import { localeOf, type Lang } from '../i18n';
import './plot.css';

export interface PlotOptions {
  labels: string[];
  dashed: boolean[];
  faint: number; // so many of the first series are drawn faintly
  colourCount: number;
  isTime: boolean;
  isLog: boolean;
  height: number;
  unit?: string;
  sync?: string;
  lang: Lang;
  xLabel: string;
  format: (value: number | null) => string;
  onZoom: (range: { from: number; to: number } | null) => void;
}

const COLOURS = 8;
const TIME_TICK_PX = 72;
// What is seen around a single moment, on each side.
const LONELY_S = 1800;

/** Shift and drag moves what is seen. */
function panning(onZoom: PlotOptions['onZoom']): uPlot.Plugin {
  return {
    hooks: {
      ready: (u) => {
        u.over.addEventListener('mousedown', (down) => {
          if (!down.shiftKey || down.button !== 0) return;
          down.stopImmediatePropagation();
          const { min, max } = u.scales.x!;
          if (min === undefined || max === undefined || min === null || max === null) return;
          const perPixel = (max - min) / u.bbox.width * devicePixelRatio;
          const move = (event: MouseEvent) => {
            const by = (down.clientX - event.clientX) * perPixel;
            u.setScale('x', { min: min + by, max: max + by });
          };
          const up = () => {
            document.removeEventListener('mousemove', move);
            document.removeEventListener('mouseup', up);
            const now = u.scales.x!;
            onZoom({ from: now.min!, to: now.max! });
          };
          document.addEventListener('mousemove', move);
          document.addEventListener('mouseup', up);
        }, { capture: true });
        u.over.addEventListener('dblclick', () => onZoom(null));
      },
      setSelect: (u) => {
        if (u.select.width < 4) return;
        onZoom({ from: u.posToVal(u.select.left, 'x'), to: u.posToVal(u.select.left + u.select.width, 'x') });
      },
    },
  };
}

/** Ticks as Germans write them, and as all write them who do not say am and pm (uPlot's own are American): span, tick, and what
 * stands below when year, day or minute change. */
const GERMAN_TICKS: (string | number | null)[][] = [
  [3600 * 24 * 365, '{YYYY}', null, null, null, null, null, null, 1],
  [3600 * 24 * 28, '{M}.', '\n{YYYY}', null, null, null, null, null, 1],
  [3600 * 24, '{D}.{M}.', '\n{YYYY}', null, null, null, null, null, 1],
  [60, '{HH}:{mm}', '\n{D}.{M}.{YYYY}', null, '\n{D}.{M}.', null, null, null, 1],
  [1, '{HH}:{mm}:{ss}', '\n{D}.{M}.{YYYY}', null, '\n{D}.{M}.', null, null, null, 1],
];
const TICKS_24H: (string | number | null)[][] = [
  [3600 * 24 * 365, '{YYYY}', null, null, null, null, null, null, 1],
  [3600 * 24 * 28, '{MMM}', '\n{YYYY}', null, null, null, null, null, 1],
  [3600 * 24, '{D} {MMM}', '\n{YYYY}', null, null, null, null, null, 1],
  [60, '{HH}:{mm}', '\n{D} {MMM} {YYYY}', null, '\n{D} {MMM}', null, null, null, 1],
  [1, '{HH}:{mm}:{ss}', '\n{D} {MMM} {YYYY}', null, '\n{D} {MMM}', null, null, null, 1],
];

function ticksOf(lang: Lang): { values?: uPlot.Axis.Values } {
  if (lang === 'de') return { values: GERMAN_TICKS as uPlot.Axis.Values };
  const is12h = new Intl.DateTimeFormat(localeOf(lang), { hour: 'numeric' }).resolvedOptions().hour12;
  return is12h ? {} : { values: TICKS_24H as uPlot.Axis.Values };
}

/** uPlot gives a single moment years of room. */
function around(u: uPlot, min: number, max: number): uPlot.Range.MinMax {
  const [only, ...others] = u.data[0];
  return u.scales.x!.time && only !== undefined && others.length === 0 ? [only - LONELY_S, only + LONELY_S] : [min, max];
}

/** The legend says what is under the pointer; without one, the last value there is. */
function lastWithoutHover(u: uPlot, value: number | null, series: number, at: number | null): number | null {
  if (at !== null && at !== undefined) return value;
  const column = u.data[series] ?? [];
  for (let i = column.length - 1; i >= 0; i--) if (column[i] !== null && column[i] !== undefined) return column[i]!;
  return null;
}

export function makePlot(holder: HTMLElement, data: uPlot.AlignedData, o: PlotOptions): uPlot {
  const muted = token('muted');
  const line = token('line');
  const stroke = (i: number) => token(`chart-${(i % o.colourCount % COLOURS) + 1}`);
  const axis = { stroke: muted, grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1 }, font: '12px system-ui, sans-serif' };
  const format = (u: uPlot, hovered: number | null, i: number, at: number | null) => {
    const v = lastWithoutHover(u, hovered, i, at);
    return v === null ? '–' : o.format(v) + (o.unit ? ` ${o.unit}` : '');
  };
  return new uPlot(
    {
      width: Math.max(50, holder.clientWidth),
      height: o.height,
      scales: { x: { time: o.isTime, range: around }, y: { distr: o.isLog ? 3 : 1 } },
      // The last tick is whole, and two of "20:15:30" do not touch.
      padding: [null, o.isTime ? TIME_TICK_PX / 2 : null, null, null],
      axes: [{ ...axis, size: o.isTime ? 50 : 30, ...(o.isTime ? { space: TIME_TICK_PX, ...ticksOf(o.lang) } : {}) }, { ...axis, size: 62, values: (_, ticks) => ticks.map((v) => (v === null ? '' : o.format(v))) }],
      cursor: { drag: { x: true, y: false, setScale: true }, sync: o.sync ? { key: o.sync } : undefined, points: { size: 6 } },
      legend: { live: true },
      plugins: [panning(o.onZoom)],
      series: [
        o.isTime ? { label: o.xLabel, value: (u, hovered, i, at) => { const v = lastWithoutHover(u, hovered, i, at); return v === null ? '–' : new Intl.DateTimeFormat(localeOf(o.lang), { dateStyle: 'short', timeStyle: 'medium' }).format(v * 1000); } } : { label: o.xLabel, value: (u, v, i, at) => o.format(lastWithoutHover(u, v, i, at)) },
        ...o.labels.map((label, i) => ({
          label,
          stroke: stroke(i) + (i < o.faint ? '55' : ''),
          width: i < o.faint ? 1 : 1.75,
          dash: o.dashed[i] ? [6, 4] : undefined,
          points: { show: data[0].length < 60 && i >= o.faint },
          spanGaps: true,
          value: format,
        })),
      ],
    },
    data,
    holder,
  );
}
