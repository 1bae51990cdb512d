/* The stored games: a player's with filters, or everybody's newest. The server filters; sorting is the table's. */
import { useState } from 'react';
import { useApi } from '../../api/useApi';
import { useParam } from '../../app/params';
import { useChessNames } from '../../chess/names';
import { useWords } from '../../i18n';
import { Button, DataTable, EmptyState, LinkButton, Page, Section, SelectField, Shown, TextField, type Column } from '../../ui';
import { Import } from './Import';
import { scores, type GameRow } from './types';
import { words } from './words';

const SPEEDS = ['ULTRABULLET', 'BULLET', 'BLITZ', 'RAPID', 'CLASSICAL', 'CORRESPONDENCE'];
const LIMIT = 1000;

export default function List() {
  const t = useWords(words);
  const nameOf = useChessNames();
  const [player, setPlayer] = useParam('player');
  const [opponent, setOpponent] = useParam('opponent');
  const [speed, setSpeed] = useParam('speed');
  const [result, setResult] = useParam('result');
  const [since, setSince] = useParam('since');
  const [until, setUntil] = useParam('until');
  const [who, setWho] = useState(player);
  const [whom, setWhom] = useState(opponent);
  const mine = useApi(player ? '/v1/games' : null, { query: { username: player, opponent, speed, result, since, until, limit: LIMIT } as never });
  const recent = useApi(player ? null : '/v1/games/recent', { query: { limit: 100 } });
  const rated = (name: string, rating: number | null) => (rating ? `${name} (${rating})` : name);
  const columns: Column<GameRow>[] = [
    { id: 'date', title: t('date'), value: (g) => g.endTime ?? g.date, cell: (g) => g.date ?? '–', width: 110 },
    { id: 'white', title: t('white'), value: (g) => rated(g.white, g.whiteRating), width: 170, rank: 0 },
    { id: 'black', title: t('black'), value: (g) => rated(g.black, g.blackRating), width: 170, rank: 0 },
    { id: 'result', title: t('result'), value: (g) => scores[g.result] ?? g.result, width: 95, rank: 0 },
    { id: 'speed', title: t('speed'), value: (g) => `${nameOf(g.timeCategory)} ${g.timeControl ?? ''}`.trim(), cell: (g) => <>{nameOf(g.timeCategory)} <span className="text-muted">{g.timeControl}</span></>, width: 170 },
    { id: 'opening', title: t('opening'), value: (g) => [g.eco, g.opening].filter(Boolean).join(' ') },
    { id: 'moves', title: t('moves'), value: (g) => g.moveCount, width: 90, align: 'right' },
  ];
  const options = (values: [string, string][]) => [{ value: '', label: t('any') }, ...values.map(([value, label]) => ({ value, label }))];
  const needs = player ? undefined : t('needsPlayer');
  return (
    <Page title={t('title')} actions={player && <LinkButton icon="player" href={`/player?name=${encodeURIComponent(player)}`}>{t('dashboard', { name: player })}</LinkButton>}>
      <Import />
      <Section title={t('title')}>
        <form className="grid grid-cols-1 gap-3 sm:grid-cols-2 md:grid-cols-4 2xl:grid-cols-[2fr_2fr_1fr_1fr_1fr_1fr_auto] items-start mb-4" onSubmit={(e) => { e.preventDefault(); setPlayer(who.trim()); setOpponent(whom.trim()); }}>
          <TextField label={t('player')} value={who} onChange={setWho} hint={player ? undefined : t('playerHint')} />
          <TextField label={t('opponent')} value={whom} onChange={setWhom} />
          <SelectField label={t('speed')} value={speed} onChange={setSpeed} disabled={!player} title={needs} options={options(SPEEDS.map((s) => [s, nameOf(s)]))} />
          <SelectField label={t('result')} value={result} onChange={setResult} disabled={!player} title={needs} options={options([['win', t('win')], ['draw', t('draw')], ['loss', t('loss')]])} />
          <TextField label={t('since')} type="date" value={since} onChange={setSince} disabled={!player} />
          <TextField label={t('until')} type="date" value={until} onChange={setUntil} disabled={!player} />
          <div className="pt-6"><Button type="submit" icon="search">{t('show')}</Button></div>
        </form>
        <Shown of={player ? mine : recent}>
          {(rows) => <DataTable name="games" label={`${t('title')} (${t('table')})`} rows={rows} rowKey={(g) => g.id} columns={columns} href={(g) => `/games/${g.id}`} empty={<EmptyState icon="games" title={t('none')}>{t('noneNext')}</EmptyState>} />}
        </Shown>
      </Section>
    </Page>
  );
}
