/* Replies of /v1/games and /v1/ingest, as far as they are shown. */
/** Results as chess players write them. */
export const scores: Record<string, string> = { WHITE_WIN: '1–0', BLACK_WIN: '0–1', DRAW: '½–½' };

export interface GameRow {
  id: string;
  white: string;
  black: string;
  whiteRating: number | null;
  blackRating: number | null;
  result: string;
  timeControl: string | null;
  timeCategory: string;
  date: string | null;
  endTime: string | null;
  eco: string | null;
  opening: string | null;
  moveCount: number;
  plies: number;
  url: string | null;
}
export interface Whole extends GameRow {
  pgnRaw: string;
}
export interface Position {
  ply: number;
  fen: string;
}
export interface GameMove {
  ply: number;
  san: string;
  uci: string;
  clockMs: number | null;
  evalCp: number | null;
}
export interface Ingest {
  runId: string;
  status: string;
  message: string;
  games: number;
  duplicates: number;
  refused: number;
}

declare module '../../api/types' {
  interface Replies {
    'GET /v1/games': GameRow[];
    'GET /v1/games/recent': GameRow[];
    'GET /v1/games/{id}': Whole;
    'GET /v1/games/{id}/positions': Position[];
    'GET /v1/games/{id}/moves': GameMove[];
    'POST /v1/ingest': { runId: string; jobId: string };
    'POST /v1/games/demo': { runId: string; jobId: string };
    'GET /v1/ingest/{runId}': Ingest;
  }
}
