/* Histories of metrics as charts show them: the server picks the points that matter at the width of the screen. */
import { call } from '../../api/client';
import type { MetricPoint } from '../../api/types';
import type { ChartRange, ChartSeries } from '../../ui';

export type Axis = 'step' | 'time' | 'relative';
export const axes: Axis[] = ['step', 'time', 'relative'];

export interface RunOfChart {
  id: string;
  label: string;
  start: number | null; // ms
}

interface History {
  total: number;
  points: MetricPoint[];
}

const POINTS_MAX = 10000; // the server gives no more at once

function history(run: string, key: string, axis: Axis, points: number, range: { from: number; to: number } | null, signal: AbortSignal) {
  const query = new URLSearchParams({ points: String(Math.min(POINTS_MAX, Math.round(points))), by: axis === 'step' ? 'step' : 'time' });
  if (range) {
    query.set('from', String(Math.floor(range.from)));
    query.set('to', String(Math.ceil(range.to)));
  }
  // The name of a metric may hold slashes, and is one part of the path all the same.
  return call('GET', `/v1/runs/${encodeURIComponent(run)}/metrics/${encodeURIComponent(key)}?${query}`, { signal }) as Promise<History>;
}

const zeroOf = (run: RunOfChart, axis: Axis) => (axis === 'relative' ? (run.start ?? 0) / 1000 : 0);

function seriesOf(run: RunOfChart, axis: Axis, { points }: History): ChartSeries {
  const zero = zeroOf(run, axis);
  return { label: run.label, x: points.map((p) => (axis === 'step' ? p.step : p.ts - zero)), y: points.map((p) => p.value) };
}

export interface Drawn {
  series: ChartSeries[];
  isWhole: boolean; // nothing was left out: zooming needs no new points
}

/** All of a metric, of some runs. */
export async function wholeSeries(runs: RunOfChart[], key: string, axis: Axis, points: number, signal: AbortSignal): Promise<Drawn> {
  const found = await Promise.all(runs.map((run) => history(run.id, key, axis, points, null, signal)));
  return { series: runs.map((run, i) => seriesOf(run, axis, found[i]!)), isWhole: found.every((h) => h.total <= h.points.length) };
}

/** What is seen of it and as much on both sides, so that moving a little shows no hole. */
export function seriesIn(runs: RunOfChart[], key: string, axis: Axis) {
  return async ({ from, to, points }: ChartRange, signal: AbortSignal): Promise<ChartSeries[]> => {
    const width = to - from;
    const found = await Promise.all(
      runs.map((run) => {
        const zero = zeroOf(run, axis);
        const scale = axis === 'step' ? 1 : 1000;
        const range = { from: (from - width + zero) * scale, to: (to + width + zero) * scale };
        return history(run.id, key, axis, points * 3, range, signal);
      }),
    );
    return runs.map((run, i) => seriesOf(run, axis, found[i]!));
  };
}
