/* What a model expects in a position: its moves with their shares, as bars. The arrows on the board are the same moves. */
import { useEffect, useState } from 'react';
import { api, ApiError } from '../api/client';
import { useLang } from '../i18n';
import type { Arrow } from './Board';

export interface PolicyMove {
  uci: string;
  san: string;
  prob: number;
}
export interface Prediction {
  move: string | null;
  legal: string[];
  policy: PolicyMove[];
  value: { win: number; draw: number; loss: number };
  modelId: string;
  modelVersion: string;
}
declare module '../api/types' {
  interface Replies {
    'POST /v1/predict': Prediction;
  }
}

export interface Conditions {
  rating?: number;
  opponentRating?: number;
  speed?: string;
}

const ARROWS = 4;
const ARROW_MIN = 0.04;

export function arrowsOf(prediction: Prediction | undefined): Arrow[] {
  return (prediction?.policy ?? []).slice(0, ARROWS).filter((m) => m.prob >= ARROW_MIN).map((m) => ({ uci: m.uci, share: m.prob }));
}

/** All legal moves of a position with what the serving model gives each. `data` belongs to `fen`, or is not there. */
export function usePrediction(fen: string | null, conditions: Conditions): { data: Prediction | undefined; error: ApiError | undefined } {
  const [state, setState] = useState<{ fen: string; data?: Prediction; error?: ApiError }>({ fen: '' });
  const { rating, opponentRating, speed } = conditions;
  useEffect(() => {
    if (fen === null) return;
    const controller = new AbortController();
    api('POST', '/v1/predict', { body: { fen, topk: 0, san: true, rating, opponentRating, speed: speed === 'UNKNOWN' ? undefined : speed }, signal: controller.signal })
      .then((data) => setState({ fen, data }))
      .catch((error: unknown) => !controller.signal.aborted && error instanceof ApiError && setState({ fen, error }));
    return () => controller.abort();
  }, [fen, rating, opponentRating, speed]);
  return state.fen === fen ? { data: state.data, error: state.error } : { data: undefined, error: undefined };
}

export function PolicyList({ moves, played, shown = 6, label }: { moves: readonly PolicyMove[]; played?: string; shown?: number; label: string }) {
  const { lang } = useLang();
  const percent = new Intl.NumberFormat(lang, { style: 'percent', minimumFractionDigits: 1, maximumFractionDigits: 1 });
  const place = played ? moves.findIndex((m) => m.uci === played) : -1;
  const rows = [...moves.slice(0, shown), ...(place >= shown ? [moves[place]!] : [])];
  return (
    <ol aria-label={label} className="flex flex-col gap-1">
      {rows.map((m) => (
        <li key={m.uci} className={`grid grid-cols-[4rem_1fr_4.2rem] items-center gap-2 ${m.uci === played ? 'font-semibold' : ''}`}>
          <span>{m.san}</span>
          <span aria-hidden className="h-2 rounded-full bg-raised overflow-hidden">
            <span className="block h-full rounded-full bg-accent origin-left" style={{ transform: `scaleX(${m.prob})` }} />
          </span>
          <span className="text-right whitespace-nowrap">{percent.format(m.prob)}</span>
        </li>
      ))}
    </ol>
  );
}
