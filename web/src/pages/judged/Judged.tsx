/* Evaluations and matches, newest first. */
import { useApi } from '../../api/useApi';
import { useLang, useWords } from '../../i18n';
import { DataTable, EmptyState, formatNumber, LinkButton, Num, Page, Shown, Status, Tabs, Time, type Column } from '../../ui';
import './types';
import type { EvaluationRow, MatchWhole } from './types';
import { words } from './words';

export default function Judged() {
  const t = useWords(words);
  return (
    <Page title={t('title')} actions={<><LinkButton needs="POST /v1/evaluations" icon="plus" href="/judged/new">{t('newEvaluation')}</LinkButton><LinkButton needs="POST /v1/selfplay" icon="plus" href="/judged/matches/new">{t('newMatch')}</LinkButton></>}>
      <Tabs label={t('title')} tabs={[{ id: 'evaluations', title: t('evaluations'), render: () => <Evaluations /> }, { id: 'matches', title: t('matches'), render: () => <Matches /> }]} />
    </Page>
  );
}

function Evaluations() {
  const t = useWords(words);
  const list = useApi('/v1/evaluations', { query: { limit: 100 } }, { poll: 5000 });
  const columns: Column<EvaluationRow>[] = [
    { id: 'started', title: t('started'), value: (e) => e.createdAt, cell: (e) => <Time at={e.createdAt} />, width: 190 },
    { id: 'candidate', title: t('candidate'), value: (e) => e.candidate },
    { id: 'baseline', title: t('baseline'), value: (e) => e.baseline },
    { id: 'suite', title: t('suite'), value: (e) => e.suite, width: 110 },
    { id: 'state', title: t('state'), value: (e) => e.status, cell: (e) => <Status state={e.status} />, width: 140 },
  ];
  return <Shown of={list}>{({ items }) => <DataTable name="evaluations" label={t('evaluations')} rows={items} rowKey={(e) => e.id} columns={columns} href={(e) => `/judged/${e.id}`} empty={<EmptyState icon="trophy" title={t('none')} action={<LinkButton needs="POST /v1/evaluations" look="primary" icon="plus" href="/judged/new">{t('newEvaluation')}</LinkButton>}>{t('noneNext')}</EmptyState>} />}</Shown>;
}

function Matches() {
  const t = useWords(words);
  const { lang } = useLang();
  const list = useApi('/v1/selfplay', { query: { limit: 100 } }, { poll: 5000 });
  const whole = (n: number | null) => (n === null ? '–' : formatNumber(Math.round(n), lang));
  const columns: Column<MatchWhole>[] = [
    { id: 'candidate', title: t('candidate'), value: (m) => m.result?.candidate },
    { id: 'baseline', title: t('baseline'), value: (m) => m.result?.baseline },
    { id: 'games', title: t('games'), value: (m) => m.progress.played, width: 100, align: 'right' },
    { id: 'winRate', title: t('winRate'), value: (m) => m.metrics.winRate, cell: (m) => <Num value={m.metrics.winRate} percent />, width: 100, align: 'right' },
    { id: 'elo', title: t('elo'), value: (m) => m.metrics.elo, cell: (m) => whole(m.metrics.elo), width: 90, align: 'right' },
    { id: 'interval', title: t('interval'), value: (m) => m.metrics.eloLow, cell: (m) => `${whole(m.metrics.eloLow)} … ${whole(m.metrics.eloHigh)}`, width: 160, align: 'right' },
    { id: 'state', title: t('state'), value: (m) => m.status, cell: (m) => <Status state={m.status} />, width: 140 },
  ];
  return <Shown of={list}>{({ items }) => <DataTable name="matches" label={t('matches')} rows={items} rowKey={(m) => m.runId} columns={columns} href={(m) => `/judged/matches/${m.runId}`} empty={<EmptyState icon="trophy" title={t('noMatches')} action={<LinkButton needs="POST /v1/selfplay" look="primary" icon="plus" href="/judged/matches/new">{t('newMatch')}</LinkButton>}>{t('noMatchesNext')}</EmptyState>} />}</Shown>;
}
