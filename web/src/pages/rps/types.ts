/* Replies of /v1/rps, as far as the page shows them. */
export type RpsMove = 'rock' | 'paper' | 'scissors';
export type PerMove = Record<RpsMove, number>;

export interface RpsRound {
  round: number;
  user_move: RpsMove;
  bot_move: RpsMove;
  result: 'win' | 'lose' | 'draw';
  user_delta: number;
  bot_delta: number;
  user_score: number;
  bot_score: number;
  debug: { probabilities: PerMove; probability_source: string };
}
export interface RpsGame {
  game_id: string;
  player_name: string;
  policy: string;
}
/** A game so far. */
export interface RpsTable extends RpsGame {
  finished: boolean;
  winner: string | null;
  user_score: number;
  bot_score: number;
  rounds: RpsRound[];
  next: { round_no: number; round_points: PerMove } | null; // null: it is over
}
export interface Leader {
  player_name: string;
  total_games: number;
  wins: number;
  losses: number;
  ties: number;
  win_rate: number;
  rank: number;
}
export interface Streak {
  username: string;
  streak: number;
  current_streak: number;
  total_games: number;
}
export interface BotRate {
  bot_win_rate: number;
  human_win_rate: number;
  human_games: number;
}
export interface Promotion {
  id: number;
  created_ts_utc: string;
  model_type: string;
  decision: string;
  reason: string;
}

declare module '../../api/types' {
  interface Replies {
    'POST /v1/rps/start_game': RpsGame;
    'POST /v1/rps/play': RpsRound & { finished: boolean };
    'GET /v1/rps/games/{game_id}': RpsTable;
    'GET /v1/rps/leaderboard': { leaderboard: Leader[] };
    'GET /v1/rps/win_streaks': { players: Streak[] };
    'GET /v1/rps/bot_win_rates': Record<string, BotRate>;
    'GET /v1/rps/internal/promotion/history': Promotion[];
  }
}
