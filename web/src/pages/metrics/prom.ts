/* PromQL over time, as charts take it. */
import { call } from '../../api/client';
import type { ChartSeries } from '../../ui';

interface Matrix {
  data: { resultType: string; result: { metric: Record<string, string>; values?: [number, string][]; value?: [number, string] }[] };
}

export interface Line extends ChartSeries {
  labels: Record<string, string>;
}

export interface Span {
  from: number; // seconds
  to: number;
}

const POINTS = 240;
const STEP_MIN_S = 10;
const WINDOW_MIN_S = 120;
const LINES_MAX = 30;

export function stepOf({ from, to }: Span): number {
  return Math.max(STEP_MIN_S, Math.ceil((to - from) / POINTS));
}

/** "$window" in a query is a window for rate() that suits the step. */
export function withWindow(query: string, span: Span): string {
  return query.replaceAll('$window', `${Math.max(WINDOW_MIN_S, 4 * stepOf(span))}s`);
}

export function nameOf(labels: Record<string, string>): string {
  const { __name__: name = '', ...rest } = labels;
  const shown = Object.entries(rest).map(([key, value]) => (Object.keys(rest).length > 1 || name ? `${key}="${value}"` : value));
  return name ? (shown.length ? `${name}{${shown.join(', ')}}` : name) : shown.join(', ');
}

export async function range(query: string, span: Span, signal: AbortSignal): Promise<{ lines: Line[]; all: number }> {
  const step = stepOf(span);
  // Steps stand at the same moments from one call to the next, or lines would shiver.
  const from = Math.floor(span.from / step) * step;
  const params = new URLSearchParams({ query: withWindow(query, span), start: String(from), end: String(span.to), step: String(step) });
  const { data } = (await call('GET', `/v1/obs/range?${params}`, { signal })) as Matrix;
  const lines = data.result.slice(0, LINES_MAX).map(({ metric, values }) => ({
    label: nameOf(metric) || query,
    labels: metric,
    x: (values ?? []).map(([at]) => at),
    y: (values ?? []).map(([, text]) => (Number.isFinite(Number(text)) ? Number(text) : null)),
  }));
  return { lines, all: data.result.length };
}

export async function seriesNames(signal: AbortSignal): Promise<string[]> {
  const { data } = (await call('GET', '/api/v1/label/__name__/values', { signal })) as { data: string[] };
  return data;
}
