/* Replies of /v1/evaluations and /v1/selfplay. */
export interface EvaluationRow {
  id: string;
  jobId: string;
  candidate: string;
  baseline: string;
  suite: string;
  status: string;
  progress: number;
  createdAt: string;
}
export interface Point {
  x: string | number;
  value: number | null;
  positions?: number;
  logLoss?: number;
  ece?: number;
}
export interface EvaluationWhole extends EvaluationRow {
  error?: string | null;
  summary?: Record<string, unknown>;
  series?: { label: string; metric: string; points: Point[] }[];
}
export interface MatchWhole {
  runId: string;
  jobId: string;
  status: string;
  progress: { played: number; total: number };
  metrics: { elo: number | null; eloLow: number | null; eloHigh: number | null; winRate: number | null };
  gamesUri: string;
  result: { candidate: string; baseline: string; games: number; wins: number; draws: number; losses: number } | null;
  error: string | null;
}

declare module '../../api/types' {
  interface Replies {
    'POST /v1/evaluations': { evaluationId: string; jobId: string };
    'GET /v1/evaluations': Items<EvaluationRow>;
    'GET /v1/evaluations/{runId}': EvaluationWhole;
    'GET /v1/selfplay': Items<MatchWhole>;
    'GET /v1/selfplay/{runId}': MatchWhole;
  }
}
