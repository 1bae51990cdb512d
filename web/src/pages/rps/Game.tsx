/* One game, at an address of its own: what the moves are worth, three buttons (keys r, p, s), and after each move what was expected.
 * The server has the game; the page shows it as it is there, also after a reload, in another tab and after a restart. */
import { useCallback, useEffect, useRef, useState } from 'react';
import { useParams } from 'wouter';
import { api, ApiError } from '../../api/client';
import { connectionState } from '../../api/connection';
import { invalidate } from '../../api/useApi';
import { useShortcut } from '../../app/shortcuts';
import { useLang, useWords } from '../../i18n';
import { DataTable, EmptyState, ErrorState, formatNumber, LinkButton, Loading, Num, Page, Section, toast, type Column } from '../../ui';
import type { RpsMove, RpsRound, RpsTable } from './types';
import { words } from './words';

const MOVES: RpsMove[] = ['rock', 'paper', 'scissors'];
const KEYS: Record<RpsMove, string> = { rock: 'r', paper: 'p', scissors: 's' };
const TARGET = 10;
// As the API calls them; the names are those of the original.
const SOURCES: Record<string, 'source_mlflow' | 'source_gambit' | 'source_heuristic'> = { mlflow: 'source_mlflow', gambit: 'source_gambit', heuristic: 'source_heuristic' };

/** The game as the server has it, asked for again when the page is seen again and when the server is back. */
function useGame(id: string) {
  const [game, setGame] = useState<RpsTable | null>(null);
  const [error, setError] = useState<Error | null>(null);
  const newest = useRef(0);
  const load = useCallback(async () => {
    const number = ++newest.current;
    try {
      const told = await api('GET', '/v1/rps/games/{game_id}', { path: { game_id: id } });
      if (number !== newest.current) return; // a later answer is newer
      setGame(told);
      setError(null);
    } catch (problem) {
      if (number === newest.current) setError(problem as Error);
    }
  }, [id]);
  useEffect(() => {
    setGame(null);
    void load();
    const seen = () => {
      if (!document.hidden) void load();
    };
    document.addEventListener('visibilitychange', seen);
    window.addEventListener('focus', seen);
    const stop = connectionState.watch(() => {
      if (connectionState.get().state === 'online') void load();
    });
    return () => {
      newest.current++;
      document.removeEventListener('visibilitychange', seen);
      window.removeEventListener('focus', seen);
      stop();
    };
  }, [load]);
  return { game, error, load };
}

export default function Game() {
  const t = useWords(words);
  const { gameId = '' } = useParams<{ gameId: string }>();
  const { game, error, load } = useGame(gameId);
  const crumbs = [{ title: t('title'), href: '/rps' }];
  const isGone = error instanceof ApiError && error.status === 404;
  return (
    <Page title={game ? t('against', { policy: game.policy }) : t('game')} crumbs={crumbs}>
      {isGone ? (
        <EmptyState icon="rps" title={t('noGame')} action={<LinkButton look="primary" icon="play" href="/rps">{t('again')}</LinkButton>}>{t('noGameNext')}</EmptyState>
      ) : game ? (
        <Table key={game.game_id} game={game} load={load} />
      ) : error ? (
        <ErrorState error={error} retry={() => void load()} />
      ) : (
        <Loading />
      )}
    </Page>
  );
}

function Table({ game, load }: { game: RpsTable; load: () => Promise<void> }) {
  const t = useWords(words);
  const { lang } = useLang();
  const [busy, setBusy] = useState(false);
  // As they are now: a key may come before the page has drawn what it answers to.
  const isBusy = useRef(false);
  const next = useRef(game.next);
  next.current = game.next;
  const who = game.policy;
  const points = game.next?.round_points ?? null;
  const isOver = game.finished;
  const last = game.rounds[game.rounds.length - 1];

  const play = async (move: RpsMove) => {
    if (isBusy.current || !next.current) return;
    isBusy.current = true;
    setBusy(true);
    try {
      // With its number a round is played once, however often it is asked for.
      const round = await api('POST', '/v1/rps/play', { body: { game_id: game.game_id, user_move: move, round: next.current.round_no } as never });
      if (round.finished) invalidate('/v1/rps');
    } catch (error) {
      toast.error(error); // such as: another tab has played this round
    }
    await load();
    isBusy.current = false;
    setBusy(false);
  };
  useShortcut('r', t('rock'), () => void play('rock'));
  useShortcut('p', t('paper'), () => void play('paper'));
  useShortcut('s', t('scissors'), () => void play('scissors'));

  const number = (n: number) => formatNumber(n, lang, 3);
  const saidOf = (r: RpsRound) =>
    t(r.result, { mine: t(r.user_move), theirs: t(r.bot_move), points: number(r.result === 'win' ? r.user_delta : r.bot_delta), policy: who });
  const endOf = (r: RpsRound) => t(r.user_score > r.bot_score ? 'gameWon' : r.user_score < r.bot_score ? 'gameLost' : 'gameTie', { policy: who });

  const pair = (a: number, b: number) => `${number(a)} : ${number(b)}`;
  const columns: Column<RpsRound>[] = [
    { id: 'round', title: '#', value: (r) => r.round, width: 50 },
    { id: 'mine', title: t('you'), value: (r) => t(r.user_move), cell: (r) => <span className={r.result === 'win' ? 'text-good font-medium' : ''}>{t(r.user_move)}</span>, width: 80 },
    { id: 'theirs', title: who, value: (r) => t(r.bot_move), cell: (r) => <span className={r.result === 'lose' ? 'text-bad font-medium' : ''}>{t(r.bot_move)}</span>, width: 80 },
    { id: 'points', title: t('points'), value: (r) => pair(r.user_delta, r.bot_delta), width: 90, align: 'right' },
    { id: 'score', title: t('score'), value: (r) => pair(r.user_score, r.bot_score), width: 100, align: 'right' },
  ];
  return (
    <div className="grid gap-5 lg:grid-cols-[minmax(0,3fr)_minmax(16rem,2fr)]">
      <div className="flex flex-col gap-5 min-w-0">
        <Section title={t('round', { n: isOver ? game.rounds.length : game.rounds.length + 1 })} actions={<span className="text-muted">{t('keysHint')}</span>}>
          <Score mine={last?.user_score ?? 0} theirs={last?.bot_score ?? 0} who={who} />
          <div className="grid grid-cols-3 gap-2 sm:gap-3 my-4">
            {MOVES.map((move) => (
              <button key={move} type="button" disabled={isOver} aria-disabled={busy} aria-keyshortcuts={KEYS[move]} onClick={() => void play(move)} className="rounded-lg border border-edge bg-surface hover:bg-raised disabled:opacity-50 min-h-24 p-2 flex flex-col items-center justify-center gap-1">
                <span className="text-lg font-semibold">{t(move)}</span>
                <span className="text-muted">{points ? t('worth', { n: number(points[move]) }) : '–'}</span>
              </button>
            ))}
          </div>
          <p role="status" className="min-h-12 font-medium" data-over={isOver}>
            {last && saidOf(last)} {last && isOver && endOf(last)}
          </p>
          {isOver && <LinkButton look="primary" icon="play" href={`/rps?policy=${who}`}>{t('again')}</LinkButton>}
        </Section>
        <Section title={t('rounds')}>
          {game.rounds.length === 0 ? (
            <p className="text-muted">{t('noRounds')}</p>
          ) : (
            <DataTable name="rps.rounds" label={`${t('rounds')} (${t('table')})`} simple tall height={320} rows={[...game.rounds].reverse()} rowKey={(r) => String(r.round)} columns={columns} />
          )}
        </Section>
      </div>
      <Section title={t('expected')} className="self-start">
        {last ? (
          <>
            <ul className="flex flex-col gap-2">
              {MOVES.map((move) => (
                <li key={move} className={`grid grid-cols-[5rem_1fr_4rem] items-center gap-2 ${move === last.user_move ? 'font-semibold' : ''}`}>
                  <span>{t(move)}</span>
                  <span aria-hidden className="h-2 rounded-full bg-raised overflow-hidden"><span className="block h-full bg-accent origin-left" style={{ transform: `scaleX(${last.debug.probabilities[move]})` }} /></span>
                  <span className="text-right"><Num value={last.debug.probabilities[move]} percent /></span>
                </li>
              ))}
            </ul>
            <p className="text-muted text-[0.86rem] mt-3">{t(SOURCES[last.debug.probability_source] ?? 'source_fallback')}</p>
          </>
        ) : (
          <p className="text-muted">{t('expectedNone')}</p>
        )}
      </Section>
    </div>
  );
}

function Score({ mine, theirs, who }: { mine: number; theirs: number; who: string }) {
  const t = useWords(words);
  const { lang } = useLang();
  return (
    <dl className="grid grid-cols-2 gap-3">
      {([[t('you'), mine], [who, theirs]] as const).map(([name, score]) => (
        <div key={name}>
          <dt className="text-muted">{name}</dt>
          <dd className="text-xl font-semibold">{formatNumber(score, lang, 3)}</dd>
          <dd aria-hidden className="h-1.5 rounded-full bg-raised overflow-hidden"><span className="block h-full bg-lamp origin-left" style={{ transform: `scaleX(${Math.min(1, score / TARGET)})` }} /></dd>
        </div>
      ))}
    </dl>
  );
}
