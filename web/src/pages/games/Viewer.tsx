/* One game, move by move: board, moves with clocks and evaluations, both as charts, and what the model expects at each position. */
import { useEffect, useMemo, useState } from 'react';
import { useParams } from 'wouter';
import { useApi } from '../../api/useApi';
import { remember, remembered } from '../../app/memory';
import { useParam } from '../../app/params';
import { useShortcut } from '../../app/shortcuts';
import { Board, type Arrow } from '../../chess/Board';
import { Moves } from '../../chess/Moves';
import { useChessNames } from '../../chess/names';
import { arrowsOf, PolicyList, usePrediction } from '../../chess/Policy';
import { useWords } from '../../i18n';
import { Button, Chart, CheckField, download, ErrorState, Facts, IconButton, Loading, Page, Section, type ChartSeries } from '../../ui';
import { scores, type GameMove, type Position, type Whole } from './types';
import { words } from './words';

export default function Viewer() {
  const t = useWords(words);
  const { gameId = '' } = useParams<{ gameId: string }>();
  const path = { id: gameId } as never;
  const game = useApi('/v1/games/{id}', { path });
  const positions = useApi('/v1/games/{id}/positions', { path });
  const moves = useApi('/v1/games/{id}/moves', { path });
  if (game.data && positions.data && moves.data) return <Shown game={game.data} positions={positions.data} moves={moves.data} />;
  const error = game.error ?? positions.error ?? moves.error;
  return <Page title={t('title')} crumbs={[{ title: t('title'), href: '/games' }]}>{error ? <ErrorState error={error} retry={game.refetch} /> : <Loading />}</Page>;
}

function clockText(ms: number): string {
  const s = Math.round(ms / 1000);
  return `${Math.floor(s / 60)}:${String(s % 60).padStart(2, '0')}`;
}

function evalText(cp: number): string {
  if (Math.abs(cp) > 30000) return `${cp < 0 ? '−' : ''}#${32000 - Math.abs(cp)}`;
  return `${cp > 0 ? '+' : cp < 0 ? '−' : ''}${(Math.abs(cp) / 100).toFixed(1)}`;
}

const EVAL_SHOWN_MAX = 10; // pawns; beyond, a game is decided

function seriesOf(moves: GameMove[], names: { white: string; black: string; evals: string }): { clocks: ChartSeries[]; evals: ChartSeries[] } {
  const clocks = [1, 0].map((rest) => {
    const mine = moves.filter((m) => m.ply % 2 === rest && m.clockMs !== null);
    return { label: rest ? names.white : names.black, x: mine.map((m) => (m.ply + 1) / 2), y: mine.map((m) => m.clockMs! / 1000) };
  });
  const judged = moves.filter((m) => m.evalCp !== null);
  const evals = [{ label: names.evals, x: judged.map((m) => (m.ply + 1) / 2), y: judged.map((m) => Math.max(-EVAL_SHOWN_MAX, Math.min(EVAL_SHOWN_MAX, m.evalCp! / 100))) }];
  return { clocks: clocks.filter((c) => c.x.length), evals: evals.filter((e) => e.x.length) };
}

function Shown({ game, positions, moves }: { game: Whole; positions: Position[]; moves: GameMove[] }) {
  const t = useWords(words);
  const nameOf = useChessNames();
  const [ply, setPly] = useParam('ply', '0');
  const [flip, setFlip] = useParam('flip');
  const [isOn, setOn] = useState(remembered('chess.hints') !== 'off');
  const at = Math.min(positions.length - 1, Math.max(0, Number(ply) || 0));
  const go = (to: number) => setPly(String(Math.min(positions.length - 1, Math.max(0, to))));
  const fen = positions[at]!.fen;
  const next = moves[at];
  const rating = (at % 2 === 0 ? game.whiteRating : game.blackRating) ?? undefined;
  const opponentRating = (at % 2 === 0 ? game.blackRating : game.whiteRating) ?? undefined;
  const { data: prediction, error } = usePrediction(isOn ? fen : null, { rating, opponentRating, speed: game.timeCategory });
  const arrows = useMemo<Arrow[]>(() => (isOn ? [...arrowsOf(prediction), ...(next ? [{ uci: next.uci, share: 0.05, look: 'played' as const }] : [])] : []), [isOn, prediction, next]);
  const { clocks, evals } = useMemo(() => seriesOf(moves, { white: game.white, black: game.black, evals: t('evals') }), [moves, game, t]);
  useShortcut('f', t('flip'), () => setFlip(flip ? '' : '1'));

  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const target = event.target as HTMLElement;
      if (event.altKey || event.ctrlKey || event.metaKey || target.matches('input, textarea, select') || document.querySelector('dialog[open]')) return;
      const to: Record<string, number> = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: positions.length - 1 };
      if (to[event.key] === undefined) return;
      event.preventDefault();
      go(to[event.key]!);
    };
    document.addEventListener('keydown', onKey);
    return () => document.removeEventListener('keydown', onKey);
  });

  const toggle = (on: boolean) => {
    remember('chess.hints', on ? null : 'off');
    setOn(on);
  };
  const last = moves[at - 1];
  const listed = moves.map((m) => ({ ply: m.ply, san: m.san, note: [m.clockMs !== null && clockText(m.clockMs), m.evalCp !== null && evalText(m.evalCp)].filter(Boolean).join(' ') }));
  const rated = (name: string, value: number | null) => (value ? `${name} (${value})` : name);
  return (
    <Page
      title={t('gameTitle', { white: game.white, black: game.black })}
      crumbs={[{ title: t('title'), href: '/games' }]}
      actions={
        <>
          <Button icon="retry" onClick={() => setFlip(flip ? '' : '1')}>{t('flip')}</Button>
          <Button icon="download" onClick={() => download(`${game.id}.pgn`, 'application/x-chess-pgn', game.pgnRaw)}>{t('pgn')}</Button>
        </>
      }
    >
      <div className="grid gap-5 lg:grid-cols-[minmax(0,min(38rem,calc(100dvh-11rem)))_minmax(18rem,1fr)]">
        <div className="min-w-0 flex flex-col gap-2">
          <Board fen={fen} label={t('board')} orientation={flip ? 'black' : 'white'} lastMove={last?.uci} arrows={arrows} />
          <div className="flex items-center gap-1">
            <IconButton icon="first" label={t('first')} onClick={() => go(0)} />
            <IconButton icon="left" label={t('back')} disabled={at === 0} onClick={() => go(at - 1)} />
            <IconButton icon="right" label={t('on')} disabled={at === positions.length - 1} onClick={() => go(at + 1)} />
            <IconButton icon="last" label={t('last')} onClick={() => go(positions.length - 1)} />
            <p role="status" className="ml-2 text-muted">{last ? t('position', { n: Math.ceil(at / 2), san: last.san }) : t('start')}</p>
          </div>
        </div>
        <div className="min-w-0 flex flex-col gap-4">
          <Section title={t('moves')}>
            <Moves moves={listed} at={at} onPick={go} label={t('moves')} empty={t('noMoves')} />
          </Section>
          <Section title={t('policy')}>
            <CheckField label={t('showPolicy')} value={isOn} onChange={toggle} />
            {isOn && (
              <div className="min-h-48 mt-2">
                {prediction && <PolicyList label={t('policy')} moves={prediction.policy} played={next?.uci} />}
                {prediction && <p className="text-muted text-[0.86rem] mt-2">{t('policyText', { rating: rating ?? '?', model: `${prediction.modelId}@${prediction.modelVersion}` })}</p>}
                {error && <p className="text-muted">{error.status === 409 || error.status === 404 ? t('policyNone') : error.message}</p>}
              </div>
            )}
          </Section>
          <Section title={t('about')}>
            <Facts
              of={[
                [t('white'), rated(game.white, game.whiteRating)],
                [t('black'), rated(game.black, game.blackRating)],
                [t('result'), scores[game.result] ?? game.result],
                [t('date'), game.date ?? '–'],
                [t('speed'), `${nameOf(game.timeCategory)} ${game.timeControl ?? ''}`],
                [t('opening'), [game.eco, game.opening].filter(Boolean).join(' ') || '–'],
                ...(game.url ? [[t('site'), <a href={game.url} rel="noreferrer noopener" target="_blank">{game.url}</a>] as [string, React.ReactNode]] : []),
              ]}
            />
          </Section>
        </div>
      </div>
      {clocks.length > 0 && <Section title={t('clocks')}><Chart title={t('clocks')} x="step" xTitle={t('moveNumber')} series={clocks} unit={t('seconds')} height={180} sync="game" /></Section>}
      {evals.length > 0 && <Section title={t('evals')}><Chart title={t('evals')} x="step" xTitle={t('moveNumber')} series={evals} unit={t('pawns')} height={180} sync="game" /></Section>}
    </Page>
  );
}
