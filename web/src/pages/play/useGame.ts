/* A game as the server has it, and what can be done to it. Every move is on the server's disk before it is shown as made. */
import { useCallback, useEffect, useRef, useState } from 'react';
import { api, ApiError } from '../../api/client';
import { connectionState } from '../../api/connection';
import { invalidate } from '../../api/useApi';
import { useStore } from '../../app/store';
import { toast } from '../../ui';
import './types';
import type { PlayGame, PlayState } from './types';

// The server's clock may be behind ours by a breath.
const FLAG_RETRY_MS = 250;

export interface Game {
  game: PlayGame | undefined;
  since: number; // when the server said so
  error: Error | undefined;
  busy: boolean;
  reload: () => void;
  move: (uci: string) => Promise<void>;
  takeback: () => Promise<void>;
  resign: () => Promise<void>;
  claimFlag: () => void;
}

export function useGame(gameId: string, movedElsewhere: string): Game {
  const { generation } = useStore(connectionState);
  const [state, setState] = useState<{ game?: PlayGame; since: number; error?: Error }>({ since: 0 });
  const [busy, setBusy] = useState(false);
  const [asked, setAsked] = useState(0);
  const latest = useRef(state);
  latest.current = state;

  useEffect(() => {
    const controller = new AbortController();
    api('GET', '/v1/play/{id}', { path: { id: gameId }, signal: controller.signal })
      .then((game) => setState({ game, since: Date.now() }))
      .catch((error: Error) => !controller.signal.aborted && setState((s) => ({ ...s, error })));
    return () => controller.abort();
  }, [gameId, generation, asked]);

  const reload = useCallback(() => setAsked((n) => n + 1), []);

  const act = useCallback(
    async (work: (game: PlayGame) => Promise<PlayState & { played?: PlayGame['moves'] }>) => {
      const before = latest.current.game;
      if (!before) return;
      setBusy(true);
      try {
        const { played, ...now } = await work(before);
        const moves = [...before.moves, ...(played ?? [])].slice(0, now.plies);
        const takenBack = before.takenBack + Math.max(0, before.plies - now.plies);
        setState({ game: { ...before, ...now, moves, takenBack }, since: Date.now() });
        invalidate('/v1/play');
      } catch (error) {
        if (error instanceof ApiError && error.status === 409) toast.bad(movedElsewhere);
        else toast.error(error);
        reload(); // the board shows the move that was not made
      } finally {
        setBusy(false);
      }
    },
    [movedElsewhere, reload],
  );

  const claimFlag = useCallback(() => {
    const game = latest.current.game;
    if (!game || game.status === 'finished') return;
    // Time is judged when somebody moves. No position knows this move, so it is either the flag or refused.
    api('POST', '/v1/play/{id}/move', { path: { id: gameId }, body: { uci: '0000' } as never }).then(
      ({ ok, played, ...now }) => setState((s) => (s.game ? { game: { ...s.game, ...now }, since: Date.now() } : s)),
      () => setTimeout(() => latest.current.game?.gameId === gameId && claimFlag(), FLAG_RETRY_MS),
    );
  }, [gameId]);

  return {
    game: state.game,
    since: state.since,
    error: state.error,
    busy,
    reload,
    move: (uci) => act((g) => api('POST', '/v1/play/{id}/move', { path: { id: gameId }, body: { uci, plies: g.plies } as never })),
    takeback: () => act(() => api('POST', '/v1/play/{id}/takeback', { path: { id: gameId } })),
    resign: () => act(() => api('POST', '/v1/play/{id}/resign', { path: { id: gameId } })),
    claimFlag,
  };
}
