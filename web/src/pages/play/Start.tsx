/* A new game: colour, strength, clock. Below it the games so far, to go on with. */
import { useState } from 'react';
import { useLocation } from 'wouter';
import { api } from '../../api/client';
import { invalidate, useApi } from '../../api/useApi';
import { useParam } from '../../app/params';
import { useChessNames } from '../../chess/names';
import { useWords } from '../../i18n';
import { Button, DataTable, EmptyState, ErrorState, LinkButton, Page, Section, SelectField, Shown, Status, Time, type Column } from '../../ui';
import './types';
import type { PlayRow } from './types';
import { words } from './words';

type Wish = 'white' | 'black' | 'random';

const clocks = [
  { id: '1+0', initial: 60, increment: 0, speed: 'BULLET' },
  { id: '3+2', initial: 180, increment: 2, speed: 'BLITZ' },
  { id: '5+3', initial: 300, increment: 3, speed: 'BLITZ' },
  { id: '10+5', initial: 600, increment: 5, speed: 'RAPID' },
  { id: '30+20', initial: 1800, increment: 20, speed: 'CLASSICAL' },
];
const RATING_MIN = 800;
const RATING_MAX = 2600;

function NewGame() {
  const t = useWords(words);
  const [, navigate] = useLocation();
  const [colour, setColour] = useParam('colour', 'white');
  const [rating, setRating] = useParam('rating', '1500');
  const [clock, setClock] = useParam('clock', 'none');
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<Error | null>(null);
  const start = async () => {
    setBusy(true);
    setError(null);
    const chosen = clocks.find((c) => c.id === clock);
    const strength = Number(rating);
    try {
      const game = await api('POST', '/v1/play/new', {
        body: {
          color: colour,
          rating: strength,
          opponentRating: strength,
          ...(chosen ? { clock: { initial: chosen.initial, increment: chosen.increment }, speed: chosen.speed } : {}),
        } as never,
      });
      invalidate('/v1/play');
      navigate(`/play/${game.gameId}`);
    } catch (failed) {
      setError(failed as Error);
      setBusy(false);
    }
  };
  const colours: [Wish, string][] = [['white', t('white')], ['black', t('black')], ['random', t('random')]];
  return (
    <Section title={t('newGame')}>
      <form className="grid gap-4 sm:grid-cols-2 lg:grid-cols-[auto_1fr_1fr_auto] items-start" onSubmit={(e) => { e.preventDefault(); void start(); }}>
        <fieldset className="flex flex-col gap-1">
          <legend className="font-medium mb-1">{t('colour')}</legend>
          <div className="inline-flex rounded-md border border-edge overflow-hidden w-fit">
            {colours.map(([id, name]) => (
              <label key={id} className={`px-3 min-h-8 inline-flex items-center cursor-pointer has-focus-visible:outline-2 has-focus-visible:outline-accent has-focus-visible:-outline-offset-2 ${colour === id ? 'bg-accent text-on-accent font-medium' : 'hover:bg-raised'}`}>
                <input type="radio" name="colour" value={id} checked={colour === id} onChange={() => setColour(id)} className="sr-only" />
                {name}
              </label>
            ))}
          </div>
        </fieldset>
        <div className="flex flex-col gap-1 min-w-0">
          <label htmlFor="strength" className="font-medium flex justify-between gap-2"><span>{t('strength')}</span><output htmlFor="strength">{rating}</output></label>
          <input id="strength" type="range" min={RATING_MIN} max={RATING_MAX} step={50} value={rating} onChange={(e) => setRating(e.target.value)} aria-describedby="strength-hint" className="w-full h-8 accent-accent" />
          <p id="strength-hint" className="text-muted text-[0.86rem]">{t('strengthHint')}</p>
        </div>
        <SelectField label={t('clock')} value={clock} onChange={setClock} options={[{ value: 'none', label: t('noClock') }, ...clocks.map((c) => ({ value: c.id, label: c.id }))]} />
        <div className="lg:pt-6"><Button needs="POST /v1/play/new" look="primary" icon="play" type="submit" busy={busy}>{t('start')}</Button></div>
      </form>
      {error && <div className="mt-3"><ErrorState error={error} /></div>}
    </Section>
  );
}

export default function Start() {
  const t = useWords(words);
  const nameOf = useChessNames();
  const games = useApi('/v1/play', { query: { limit: 200 } });
  const active = useApi('/v1/models/active');
  const columns: Column<PlayRow>[] = [
    { id: 'startedAt', title: t('started'), value: (g) => g.startedAt, cell: (g) => <Time at={g.startedAt} />, width: 190 },
    { id: 'status', title: t('state'), value: (g) => g.status, cell: (g) => <Status state={g.status} />, width: 130 },
    { id: 'result', title: t('result'), value: (g) => g.result, cell: (g) => (g.result ? `${outcomeOf(g, t)}${g.reason ? `, ${nameOf(g.reason)}` : ''}` : <span className="text-accent">{t('resume')}</span>) },
    { id: 'you', title: t('colour'), value: (g) => t(g.you), width: 130 },
    { id: 'username', title: t('player'), value: (g) => g.username, width: 130 },
    { id: 'model', title: t('model'), value: (g) => `${g.modelId}@${g.modelVersion}`, width: 180 },
  ];
  const noModel = active.data && !active.data.items.some((m) => m.alias === 'prod');
  return (
    <Page title={t('title')}>
      {noModel ? <Section title={t('newGame')}><EmptyState icon="models" title={t('noModel')} action={<div className="flex flex-wrap justify-center gap-2"><LinkButton look="primary" icon="upload" href="/games">{t('toImport')}</LinkButton><LinkButton icon="datasets" href="/datasets/new">{t('toDataset')}</LinkButton><LinkButton icon="runs" href="/runs/new">{t('toTraining')}</LinkButton><LinkButton icon="models" href="/models">{t('toModels')}</LinkButton></div>}>{t('noModelNext')}</EmptyState></Section> : <NewGame />}
      <Section title={t('games')}>
        <Shown of={games}>
          {({ items }) => (
            <DataTable name="plays" label={`${t('games')} (${t('table')})`} rows={items} rowKey={(g) => g.gameId} columns={columns} href={(g) => `/play/${g.gameId}`} empty={<EmptyState icon="chess" title={t('noGames')}>{noModel ? undefined : t('noGamesNext')}</EmptyState>} />
          )}
        </Shown>
      </Section>
    </Page>
  );
}

function outcomeOf(g: PlayRow, t: (key: 'won' | 'lost' | 'drawn') => string): string {
  if (g.result === 'DRAW') return t('drawn');
  return t((g.result === 'WHITE_WIN') === (g.you === 'white') ? 'won' : 'lost');
}
