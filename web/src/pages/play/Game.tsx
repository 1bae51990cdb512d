/* One game against a model: board, clocks, moves, what people would play, and moves as text for those without a mouse. */
import { useEffect, useId, useMemo, useState } from 'react';
import { useParams } from 'wouter';
import { useDenied } from '../../api/access';
import { request } from '../../api/client';
import { remember, remembered } from '../../app/memory';
import { useParam } from '../../app/params';
import { useShortcut } from '../../app/shortcuts';
import { Board, type Colour } from '../../chess/Board';
import { Moves } from '../../chess/Moves';
import { useChessNames } from '../../chess/names';
import { arrowsOf, PolicyList, usePrediction, type PolicyMove, type Prediction } from '../../chess/Policy';
import { useWords } from '../../i18n';
import { Button, CheckField, confirm, Dialog, download, ErrorState, Icon, LinkButton, Loading, Page, Section, toast } from '../../ui';
import { Clock } from './Clock';
import type { PlayGame } from './types';
import { useGame } from './useGame';
import { words } from './words';

const other = (side: Colour): Colour => (side === 'white' ? 'black' : 'white');

/* ---------------------------------------------------------------- moves as text */

const plain = (text: string) => text.replace(/[+#!?x\s]/g, '').replace(/0/g, 'O');

/** The legal move that a text means: UCI, or SAN with or without its signs. */
export function findMove(text: string, moves: readonly PolicyMove[]): PolicyMove | undefined {
  const wanted = plain(text);
  if (!wanted) return undefined;
  return (
    moves.find((m) => m.uci === text.trim().toLowerCase()) ??
    moves.find((m) => plain(m.san) === wanted) ??
    // "nf3" means Nf3, but "b3" stays the pawn's.
    one(moves.filter((m) => plain(m.san).toLowerCase() === wanted.toLowerCase()))
  );
}

const one = <T,>(list: T[]): T | undefined => (list.length === 1 ? list[0] : undefined);

function MoveEntry({ moves, disabled, onMove }: { moves: readonly PolicyMove[]; disabled: boolean; onMove: (uci: string) => void }) {
  const t = useWords(words);
  const id = useId();
  const [text, setText] = useState('');
  const [error, setError] = useState('');
  const sans = useMemo(() => moves.map((m) => m.san).sort(), [moves]);
  const submit = () => {
    if (!text.trim() || disabled) return;
    const found = findMove(text, moves);
    if (!found) return setError(t('moveWrong', { text, list: sans.join(' ') }));
    setError('');
    setText('');
    onMove(found.uci);
  };
  return (
    <form onSubmit={(e) => { e.preventDefault(); submit(); }} className="flex flex-col gap-1">
      <label htmlFor={id} className="font-medium">{t('moveField')}</label>
      <div className="flex gap-2">
        <input id={id} list={`${id}-list`} value={text} onChange={(e) => { setText(e.target.value); setError(''); }} autoComplete="off" autoCapitalize="off" spellCheck={false} aria-describedby={`${id}-note`} aria-invalid={error !== ''} className="grow min-w-0 min-h-8 rounded-md border border-edge bg-surface px-2 text-text" />
        <Button needs="POST /v1/play/{id}/move" type="submit" disabled={disabled}>{t('playMove')}</Button>
      </div>
      <datalist id={`${id}-list`}>{sans.map((san) => <option key={san} value={san} />)}</datalist>
      <p id={`${id}-note`} role={error ? 'alert' : undefined} className={error ? 'text-bad' : 'text-muted text-[0.86rem]'}>{error || t('moveHint')}</p>
    </form>
  );
}

/* ---------------------------------------------------------------- parts */

function Side({ game, side, since, onUp }: { game: PlayGame; side: Colour; since: number; onUp: () => void }) {
  const t = useWords(words);
  const name = side === game.you ? t('you') : `${game.modelId}@${game.modelVersion}`;
  const runs = game.status === 'playing' && game.turn === side && game.plies >= 2;
  const ms = game.clock ? (side === 'white' ? game.clock.whiteMs : game.clock.blackMs) : 0;
  return (
    <div className="flex items-center gap-2 min-h-9">
      <span aria-hidden className={`size-3 rounded-full border border-edge ${side === 'white' ? 'bg-[#fff]' : 'bg-[#000]'}`} />
      <span className="font-semibold truncate">{name}</span>
      <span className="text-muted">{t(side)}{side !== game.you && game.rating ? `, ${game.rating}` : ''}</span>
      <span className="grow" />
      {game.clock && <Clock ms={ms} since={since} runs={runs} label={t('timeLeft', { side: t(side) })} onUp={onUp} />}
    </div>
  );
}

function Promotion({ choices, side, onChoose, onClose }: { choices: string[]; side: Colour; onChoose: (uci: string) => void; onClose: () => void }) {
  const t = useWords(words);
  const pieces: Record<string, { name: string; sign: string }> = {
    q: { name: t('queen'), sign: side === 'white' ? '♕' : '♛' },
    r: { name: t('rook'), sign: side === 'white' ? '♖' : '♜' },
    b: { name: t('bishop'), sign: side === 'white' ? '♗' : '♝' },
    n: { name: t('knight'), sign: side === 'white' ? '♘' : '♞' },
  };
  const sorted = ['q', 'r', 'b', 'n'].map((p) => choices.find((c) => c.endsWith(p))).filter((c) => c !== undefined);
  return (
    <Dialog open={choices.length > 0} onClose={onClose} title={t('promotion')}>
      <div className="grid grid-cols-2 gap-2">
        {sorted.map((uci) => {
          const piece = pieces[uci.slice(4)]!;
          return (
            <Button key={uci} onClick={() => onChoose(uci)} className="min-h-12">
              <span aria-hidden className="text-2xl leading-none">{piece.sign}</span>
              {piece.name}
            </Button>
          );
        })}
      </div>
    </Dialog>
  );
}

function useResult(): (game: PlayGame) => string {
  const t = useWords(words);
  const nameOf = useChessNames();
  return (game) => {
    const what = game.winner === 'draw' ? t('drawn') : game.winner === game.you ? t('won') : t('lost');
    return game.reason ? `${what} ${t('by', { reason: nameOf(game.reason) })}` : what;
  };
}

function Hints({ game, prediction }: { game: PlayGame; prediction: Prediction | undefined }) {
  const t = useWords(words);
  if (!prediction) return <div className="min-h-44" />;
  return (
    <div className="flex flex-col gap-2 min-h-44">
      <PolicyList label={t('hints')} moves={prediction.policy} />
      <p className="text-muted text-[0.86rem]">{t('hintsText', { rating: game.opponentRating, model: `${prediction.modelId}@${prediction.modelVersion}` })}</p>
    </div>
  );
}

/* ---------------------------------------------------------------- the page */

export default function GamePage() {
  const t = useWords(words);
  const { gameId = '' } = useParams<{ gameId: string }>();
  const play = useGame(gameId, t('movedElsewhere'));
  if (play.game) return <Table play={play} game={play.game} />;
  return (
    <Page title={t('title')} crumbs={[{ title: t('title'), href: '/play' }]}>
      {play.error ? <ErrorState error={play.error} retry={play.reload} /> : <Loading />}
    </Page>
  );
}

function Table({ play, game }: { play: ReturnType<typeof useGame>; game: PlayGame }) {
  const resultOf = useResult();
  const t = useWords(words);
  const [flipped, setFlipped] = useParam('flip');
  const [hintsOn, setHintsOn] = useState(remembered('chess.hints') !== 'off');
  const [promotion, setPromotion] = useState<string[]>([]);
  const [shown, setShown] = useState<string | null>(null); // a move on its way
  const isMine = game.status === 'playing' && game.turn === game.you;
  const { data: prediction, error } = usePrediction(isMine ? game.fen : null, { rating: game.opponentRating, opponentRating: game.rating, speed: game.speed });
  // Somebody else's game can be looked at.
  const denied = useDenied('POST /v1/play/{id}/move');
  const claimFlag = denied ? () => {} : play.claimFlag;
  const legal = isMine && !play.busy && prediction && !denied ? prediction.legal : [];
  const orientation = flipped ? other(game.you) : game.you;
  const last = game.moves[game.moves.length - 1];
  const arrows = useMemo(() => (hintsOn && isMine && !play.busy ? arrowsOf(prediction) : []), [hintsOn, isMine, play.busy, prediction]);

  useEffect(() => setShown(null), [game.fen]);
  useEffect(() => {
    if (error) toast.error(error);
  }, [error]);

  const move = (uci: string) => {
    setPromotion([]);
    setShown(uci);
    void play.move(uci);
  };
  const onBoard = (from: string, to: string) => {
    const meant = (prediction?.legal ?? []).filter((uci) => uci.startsWith(from + to));
    if (meant.length > 1) setPromotion(meant);
    else if (meant[0]) move(meant[0]);
  };
  const flip = () => setFlipped(flipped ? '' : '1');
  const toggleHints = (on: boolean) => {
    remember('chess.hints', on ? null : 'off');
    setHintsOn(on);
  };
  const resign = async () => {
    if (await confirm({ title: t('resignAsk'), text: t('resignText'), action: t('resign'), danger: true })) await play.resign();
  };
  const savePgn = async () => {
    try {
      download(`${game.gameId}.pgn`, 'application/x-chess-pgn', await (await request(`/v1/play/${game.gameId}/pgn`)).blob());
    } catch (failed) {
      toast.error(failed);
    }
  };
  useShortcut('f', t('flip'), flip);

  const said = [
    last && t('saidMove', { side: t(last.side === 'w' ? 'white' : 'black'), san: last.san }),
    game.status === 'finished' ? `${resultOf(game)}.` : game.check && t('check'),
    game.status === 'playing' && (play.busy ? `${t('waits')}.` : isMine && `${t('yourMove')}.`),
  ].filter(Boolean).join(' ');
  const moves = game.moves.map((m) => ({ ply: m.ply, san: m.san }));
  return (
    <Page
      title={t('gameTitle', { model: `${game.modelId}@${game.modelVersion}` })}
      crumbs={[{ title: t('title'), href: '/play' }]}
      actions={
        <>
          <Button icon="retry" onClick={flip}>{t('flip')}</Button>
          <Button icon="download" onClick={() => void savePgn()}>{t('pgn')}</Button>
        </>
      }
    >
      <div className="grid gap-5 lg:grid-cols-[minmax(0,min(38rem,calc(100dvh-11rem)))_minmax(18rem,1fr)]">
        <div className="min-w-0 flex flex-col gap-1">
          <Side game={game} side={other(orientation)} since={play.since} onUp={claimFlag} />
          {/* A promotion that was called off puts the pawn back: another key, another board. */}
          <Board fen={game.fen} label={`${t('board')}. ${t('boardHint')}`} orientation={orientation} lastMove={shown ?? last?.uci} check={game.check} legal={promotion.length ? [] : legal} onMove={onBoard} arrows={arrows} key={promotion.length ? 'asking' : 'board'} />
          <Side game={game} side={orientation} since={play.since} onUp={claimFlag} />
          <p role="status" aria-live="polite" data-said className={`min-h-6 ${game.status === 'finished' ? 'font-semibold' : game.check ? 'text-warn' : 'text-muted'}`}>{said}</p>
        </div>
        <div className="min-w-0 flex flex-col gap-4 content-start">
          {game.status === 'finished' && (
            <div className="card border-accent p-4 flex flex-wrap items-center gap-3" data-result={game.result}>
              <Icon name="trophy" size={24} className="text-lamp" />
              <div className="grow min-w-0">
                <p className="font-semibold text-lg">{resultOf(game)}</p>
                {game.takenBack > 0 && <p className="text-muted">{t('takenBack')}</p>}
              </div>
              <LinkButton look="primary" icon="play" href={`/play?rating=${game.rating}`}>{t('again')}</LinkButton>
            </div>
          )}
          {game.status === 'playing' && (
            <Section title={isMine ? t('yourMove') : t('waits')}>
              <MoveEntry moves={prediction?.policy ?? []} disabled={!isMine || play.busy || !prediction} onMove={move} />
              <div className="flex flex-wrap gap-2 mt-3">
                <Button needs="POST /v1/play/{id}/takeback" icon="left" disabled={play.busy || game.clock !== null || game.plies < (game.you === 'white' ? 2 : 3)} title={game.clock ? t('takebackNo') : undefined} onClick={() => void play.takeback()}>{t('takeback')}</Button>
                <Button needs="POST /v1/play/{id}/resign" look="danger" disabled={play.busy} onClick={() => void resign()}>{t('resign')}</Button>
              </div>
            </Section>
          )}
          <Section title={t('moves')}>
            <Moves moves={moves} at={game.plies} label={t('moves')} empty={t('noMoves')} />
          </Section>
          {game.status === 'playing' && (
            <Section title={t('hints')}>
              <div className="mb-2"><CheckField label={t('showHints')} value={hintsOn} onChange={toggleHints} /></div>
              {hintsOn && <Hints game={game} prediction={prediction} />}
              <details className="mt-2">
                <summary>{t('legalMoves', { n: prediction?.policy.length ?? 0 })}</summary>
                <p className="mt-1">{(prediction?.policy ?? []).map((m) => m.san).sort().join('  ')}</p>
              </details>
            </Section>
          )}
        </div>
      </div>
      <Promotion choices={promotion} side={game.you} onChoose={move} onClose={() => setPromotion([])} />
    </Page>
  );
}
