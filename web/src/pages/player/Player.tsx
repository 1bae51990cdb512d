/* How a player does: results, rating curves, openings, phases, use of time. At first it is the server's user. */
import { useState } from 'react';
import { useApi } from '../../api/useApi';
import { useParam } from '../../app/params';
import { useChessNames } from '../../chess/names';
import { useWords } from '../../i18n';
import { Button, Chart, DataTable, EmptyState, ErrorState, LinkButton, Loading, Num, Page, Section, TextField, type Column } from '../../ui';
import { words } from './words';

interface Outcomes {
  games: number;
  wins: number;
  draws: number;
  losses: number;
}
interface Speed extends Outcomes {
  speed: string;
  rating: number | null;
  ratingMax: number | null;
  points: { at: string; rating: number }[];
}
interface Opening extends Outcomes {
  color: 'white' | 'black';
  eco: string;
  opening: string;
}
interface Phase {
  phase: string;
  moves: number;
  secondsPerMove: number | null;
  ended: Outcomes;
}
interface Summary extends Outcomes {
  name: string;
  hasMore: boolean;
  colors: (Outcomes & { color: 'white' | 'black' })[];
  speeds: Speed[];
  openings: Opening[];
  sample: number;
  phases: Phase[];
  clock: { move: number; games: number; leftShare: number }[];
}

declare module '../../api/types' {
  interface Replies {
    'GET /v1/players/{name}/summary': Summary;
    'GET /v1/players': Items<{ name: string; games: number }>;
  }
}

export default function Player() {
  const t = useWords(words);
  const me = useApi('/v1/users/me');
  const [chosen, choose] = useParam('name');
  const [text, setText] = useState(chosen);
  const name = chosen || me.data?.username || '';
  // Whether the server's own user plays at all is asked first: on most servers he does not, and that is no error.
  const mine = useApi(!chosen && name ? '/v1/players' : null, { query: { q: name, limit: 50 } });
  const isMissing = !chosen && mine.data !== undefined && !mine.data.items.some((p) => p.name.toLowerCase() === name.toLowerCase());
  const summary = useApi(name && (chosen || (mine.data && !isMissing)) ? '/v1/players/{name}/summary' : null, { path: { name } as never });
  return (
    <Page title={name ? `${t('title')}: ${summary.data?.name ?? name}` : t('title')} actions={summary.data && <LinkButton icon="games" href={`/games?player=${encodeURIComponent(name)}`}>{t('toGames')}</LinkButton>}>
      <form className="flex items-end gap-2 max-w-md" onSubmit={(e) => { e.preventDefault(); choose(text.trim(), { push: true }); }}>
        <div className="grow"><TextField label={t('name')} value={text} onChange={setText} /></div>
        <Button type="submit" icon="search">{t('show')}</Button>
      </form>
      {summary.data ? <Dashboard s={summary.data} /> : isMissing || summary.error?.status === 404 ? <Nobody name={name} /> : (summary.error ?? mine.error) ? <ErrorState error={(summary.error ?? mine.error)!} retry={summary.error ? summary.refetch : mine.refetch} /> : <Loading />}
    </Page>
  );
}

function Nobody({ name }: { name: string }) {
  const t = useWords(words);
  // Whoever ended a game last: somebody who is there.
  const recent = useApi('/v1/games/recent', { query: { limit: 10 } });
  const rows = recent.data ?? [];
  const names = [...new Set(rows.flatMap((g) => [g.white, g.black]))].slice(0, 8);
  return (
    <Section title={t('title')}>
      <EmptyState icon="player" title={t('noGames', { name })} action={<div className="flex flex-wrap justify-center gap-2">{names.length === 0 && <LinkButton look="primary" icon="upload" href="/games">{t('toImport')}</LinkButton>}{names.map((n) => <LinkButton key={n} href={`/player?name=${encodeURIComponent(n)}`}>{n}</LinkButton>)}</div>}>
        {recent.data && t(names.length ? 'noGamesNext' : 'noGamesAtAll')}
      </EmptyState>
    </Section>
  );
}

const scoreOf = (o: Outcomes) => (o.games ? (o.wins + o.draws / 2) / o.games : null);

function Tile({ title, of }: { title: string; of: Outcomes }) {
  const t = useWords(words);
  const parts: [string, number, string][] = [[t('wins'), of.wins, 'bg-good'], [t('draws'), of.draws, 'bg-edge'], [t('losses'), of.losses, 'bg-bad']];
  return (
    <div className="card p-4 min-w-0">
      <div className="flex justify-between gap-2"><span className="text-muted">{title}</span><span className="font-semibold"><Num value={of.games} /></span></div>
      <div aria-hidden className="flex h-2 rounded-full overflow-hidden bg-raised my-2">
        {parts.map(([name, n, look]) => n > 0 && <span key={name} className={look} style={{ flexGrow: n }} />)}
      </div>
      <dl className="flex flex-wrap gap-x-4">
        {parts.map(([name, n]) => <div key={name} className="flex gap-1.5"><dt className="text-muted">{name}</dt><dd><Num value={n} /></dd></div>)}
      </dl>
    </div>
  );
}

function Dashboard({ s }: { s: Summary }) {
  const t = useWords(words);
  const nameOf = useChessNames();
  const colour = (c: 'white' | 'black') => s.colors.find((x) => x.color === c)!;
  const phaseName = (p: string) => t(p === 'opening' ? 'opening_phase' : p === 'middlegame' ? 'middlegame' : 'endgame');
  const speeds: Column<Speed>[] = [
    { id: 'speed', title: t('speed'), value: (x) => nameOf(x.speed) },
    { id: 'games', title: t('games'), value: (x) => x.games, width: 90, align: 'right' },
    { id: 'score', title: t('score'), value: scoreOf, cell: (x) => <Num value={scoreOf(x)} percent />, width: 100, align: 'right' },
    { id: 'rating', title: t('now'), value: (x) => x.rating, width: 90, align: 'right' },
    { id: 'max', title: t('highest'), value: (x) => x.ratingMax, width: 100, align: 'right' },
  ];
  const openings: Column<Opening>[] = [
    { id: 'opening', title: t('opening'), value: (o) => o.opening, width: 220 },
    { id: 'colour', title: t('colour'), value: (o) => t(o.color), width: 120 },
    { id: 'games', title: t('games'), value: (o) => o.games, width: 90, align: 'right' },
    { id: 'score', title: t('score'), value: scoreOf, cell: (o) => <Num value={scoreOf(o)} percent />, width: 100, align: 'right' },
  ];
  const phases: Column<Phase>[] = [
    { id: 'phase', title: t('phase'), value: (p) => phaseName(p.phase) },
    { id: 'moves', title: t('moves'), value: (p) => p.moves, width: 90, align: 'right' },
    { id: 'seconds', title: t('seconds'), value: (p) => p.secondsPerMove, cell: (p) => <Num value={p.secondsPerMove} digits={2} />, width: 160, align: 'right' },
    { id: 'ended', title: t('ended'), value: (p) => p.ended.games, width: 160, align: 'right' },
    { id: 'score', title: t('score'), value: (p) => scoreOf(p.ended), cell: (p) => <Num value={scoreOf(p.ended)} percent />, width: 100, align: 'right' },
  ];
  const curves = s.speeds.filter((x) => x.points.length > 0).map((x) => ({ label: nameOf(x.speed), x: x.points.map((p) => Date.parse(p.at) / 1000), y: x.points.map((p) => p.rating) }));
  return (
    <>
      {s.hasMore && <p className="text-muted">{t('more', { n: s.games })}</p>}
      <div className="grid gap-3 md:grid-cols-3">
        <Tile title={t('games')} of={s} />
        <Tile title={t('white')} of={colour('white')} />
        <Tile title={t('black')} of={colour('black')} />
      </div>
      <Section title={t('rating')}>
        <div className="mb-3"><Chart title={t('rating')} series={curves} height={240} /></div>
        <DataTable name="player.speeds" label={`${t('speed')} (${t('table')})`} simple param="v" rows={s.speeds} rowKey={(x) => x.speed} columns={speeds} />
      </Section>
      <div className="grid gap-5 2xl:grid-cols-2">
        <Section title={t('openings')}><DataTable name="player.openings" label={`${t('openings')} (${t('table')})`} simple param="o" height={420} rows={s.openings} rowKey={(o) => `${o.color} ${o.opening}`} columns={openings} /></Section>
        <Section title={t('phases')}>
          <p className="text-muted mb-2">{t(s.sample === 1 ? 'sampleOne' : 'sample', { n: s.sample })}</p>
          <DataTable name="player.phases" label={`${t('phases')} (${t('table')})`} simple param="p" rows={s.phases} rowKey={(p) => p.phase} columns={phases} />
          {s.clock.length > 0 && <div className="mt-4"><p className="font-medium">{t('clock')}</p><Chart title={t('clock')} x="step" xTitle={t('moveNumber')} unit={t('percent')} height={180} series={[{ label: t('left'), x: s.clock.map((c) => c.move), y: s.clock.map((c) => c.leftShare * 100) }]} /></div>}
        </Section>
      </div>
    </>
  );
}
