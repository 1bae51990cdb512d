/* Rock, paper, scissors: a game, the boards, and what was promoted. */
import { useApi } from '../../api/useApi';
import { useWords } from '../../i18n';
import { Said } from '../../i18n/server';
import { DataTable, EmptyState, LinkButton, Num, Page, Section, Shown, Tabs, Time, type Column } from '../../ui';
import { Play } from './Play';
import './types';
import type { BotRate, Leader, Promotion, Streak } from './types';
import { words } from './words';

export default function Rps() {
  const t = useWords(words);
  return (
    <Page title={t('title')}>
      <Tabs
        label={t('title')}
        tabs={[
          { id: 'play', title: t('play'), render: () => <Play /> },
          { id: 'boards', title: t('boards'), render: () => <Boards /> },
          { id: 'promotions', title: t('promotions'), render: () => <Promotions /> },
        ]}
      />
    </Page>
  );
}

function Empty() {
  const t = useWords(words);
  return <EmptyState icon="trophy" title={t('empty')}>{t('emptyNext')}</EmptyState>;
}

const percent = (value: number) => <Num value={value / 100} percent />;

function Boards() {
  const t = useWords(words);
  const leaders = useApi('/v1/rps/leaderboard', { query: { limit: 50 } });
  const streaks = useApi('/v1/rps/win_streaks', { query: { limit: 50 } });
  const rates = useApi('/v1/rps/bot_win_rates');
  const leaderColumns: Column<Leader>[] = [
    { id: 'rank', title: '#', value: (l) => l.rank, width: 60, align: 'right' },
    { id: 'player', title: t('player'), value: (l) => l.player_name },
    { id: 'games', title: t('games'), value: (l) => l.total_games, width: 90, align: 'right' },
    { id: 'wins', title: t('wins'), value: (l) => l.wins, width: 90, align: 'right' },
    { id: 'losses', title: t('losses'), value: (l) => l.losses, width: 120, align: 'right' },
    { id: 'ties', title: t('ties'), value: (l) => l.ties, width: 130, align: 'right' },
    { id: 'rate', title: t('winRate'), value: (l) => l.win_rate, cell: (l) => percent(l.win_rate), width: 110, align: 'right' },
  ];
  const streakColumns: Column<Streak>[] = [
    { id: 'player', title: t('player'), value: (s) => s.username },
    { id: 'longest', title: t('longest'), value: (s) => s.streak, width: 100, align: 'right' },
    { id: 'current', title: t('current'), value: (s) => s.current_streak, width: 90, align: 'right' },
    { id: 'games', title: t('games'), value: (s) => s.total_games, width: 90, align: 'right' },
  ];
  const rateColumns: Column<[string, BotRate]>[] = [
    { id: 'policy', title: t('policy'), value: ([name]) => name },
    { id: 'games', title: t('games'), value: ([, r]) => r.human_games, width: 90, align: 'right' },
    { id: 'bot', title: t('botRate'), value: ([, r]) => r.bot_win_rate, cell: ([, r]) => percent(r.bot_win_rate), width: 140, align: 'right' },
    { id: 'human', title: t('humanRate'), value: ([, r]) => r.human_win_rate, cell: ([, r]) => percent(r.human_win_rate), width: 160, align: 'right' },
  ];
  return (
    <div className="grid gap-5 2xl:grid-cols-2">
      <Section title={t('leaderboard')}>
        <Shown of={leaders}>{(d) => <DataTable name="rps.leaders" label={`${t('leaderboard')} (${t('table')})`} simple param="l" rows={d.leaderboard} rowKey={(l) => l.player_name} columns={leaderColumns} empty={<Empty />} />}</Shown>
      </Section>
      <Section title={t('streaks')}>
        <Shown of={streaks}>{(d) => <DataTable name="rps.streaks" label={`${t('streaks')} (${t('table')})`} simple param="s" rows={d.players} rowKey={(s) => s.username} columns={streakColumns} empty={<Empty />} />}</Shown>
      </Section>
      <Section title={t('bots')}>
        <Shown of={rates}>{(d) => <DataTable name="rps.bots" label={`${t('bots')} (${t('table')})`} simple param="b" rows={Object.entries(d)} rowKey={([name]) => name} columns={rateColumns} empty={<Empty />} />}</Shown>
      </Section>
    </div>
  );
}

function Promotions() {
  const t = useWords(words);
  const history = useApi('/v1/rps/internal/promotion/history', { query: { limit: 200 } });
  const columns: Column<Promotion>[] = [
    { id: 'when', title: t('when'), value: (p) => p.created_ts_utc, cell: (p) => <Time at={p.created_ts_utc} />, width: 190 },
    { id: 'family', title: t('family'), value: (p) => p.model_type, width: 190 },
    { id: 'decision', title: t('decision'), value: (p) => p.decision, width: 200 },
    { id: 'reason', title: t('reason'), value: (p) => p.reason, cell: (p) => <Said title or="anything">{p.reason}</Said>, width: 420 },
  ];
  return (
    <Shown of={history}>
      {(rows) => <DataTable name="rps.promotions" label={`${t('promotions')} (${t('table')})`} rows={rows} rowKey={(p) => String(p.id)} columns={columns} empty={<EmptyState icon="models" title={t('noPromotions')} action={<LinkButton needs="POST /v1/trainings" look="primary" icon="plus" href="/runs/new?kind=rps.policy">{t('newTraining')}</LinkButton>}>{t('noPromotionsNext')}</EmptyState>} />}
    </Shown>
  );
}
