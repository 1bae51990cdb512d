/* Replies of /v1/play, in full. */
import type { Colour } from '../../chess/Board';

export interface PlayedMove {
  ply: number;
  san: string;
  uci: string;
  side: 'w' | 'b';
  tMs: number;
}
export interface PlayClock {
  whiteMs: number;
  blackMs: number;
  incrementMs: number;
}
export interface PlayState {
  gameId: string;
  fen: string;
  status: 'playing' | 'finished';
  turn: Colour | null;
  you: Colour;
  rating: number;
  opponentRating: number;
  speed: string;
  result: string | null;
  winner: Colour | 'draw' | null;
  reason: string | null;
  check: boolean;
  plies: number;
  clock: PlayClock | null;
}
export interface PlayGame extends PlayState {
  startedAt: string;
  modelId: string;
  modelVersion: string;
  takenBack: number;
  moves: PlayedMove[];
}
export interface PlayRow {
  gameId: string;
  username: string;
  you: Colour;
  modelId: string;
  modelVersion: string;
  status: 'playing' | 'finished';
  result: string | null;
  reason: string;
  startedAt: string;
  updatedAt: string;
}

declare module '../../api/types' {
  interface Replies {
    'POST /v1/play/new': PlayGame;
    'GET /v1/play': Items<PlayRow>;
    'GET /v1/play/{id}': PlayGame;
    'POST /v1/play/{id}/move': PlayState & { ok: boolean; played: PlayedMove[] };
    'POST /v1/play/{id}/takeback': PlayState;
    'POST /v1/play/{id}/resign': PlayState;
  }
}
