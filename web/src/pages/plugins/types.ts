/* Replies about analytics plugins, and what a pass over them reports. */
export interface Analytic {
  name: string;
  version: string;
  summary: string;
  origin: string;
  active: boolean;
  completed: number;
  skipped: number;
  failed: number;
  pending: number;
  firstSeenAt: string;
}
export interface Answer {
  gameId: string;
  plugin: string;
  version: string;
  status: 'completed' | 'skipped' | 'failed';
  attempts: number;
  result?: Record<string, string | number | boolean | null>;
  reason?: string;
  updatedAt: string;
}
export interface PassReport {
  games: number;
  plugins: { plugin: string; version: string; completed: number; skipped: number; failed: number; error: string | null }[];
}

declare module '../../api/types' {
  interface Replies {
    'GET /v1/analytics': Items<Analytic>;
    'GET /v1/analytics/{id}/results': Items<Answer>;
    'POST /v1/analytics/run': { runId: string; jobId: string };
  }
}
