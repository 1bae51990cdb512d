/* What comes by the clock: when next, and how it went last. */
import { useApi } from '../../api/useApi';
import { useWords } from '../../i18n';
import { useKindName } from '../../i18n/server';
import { DataTable, EmptyState, Shown, Status, TextLink, Time, useNow, type Column } from '../../ui';
import type { Schedule } from './types';
import { words } from './words';

export function Schedules() {
  const t = useWords(words);
  const kindOf = useKindName();
  const now = useNow();
  const schedules = useApi('/v1/schedules', {}, { poll: 5000 });
  const columns: Column<Schedule>[] = [
    { id: 'name', title: t('name'), value: (s) => s.name, width: 170 },
    { id: 'kind', title: t('kind'), value: (s) => s.kind, cell: (s) => <span title={kindOf(s.kind)}><TextLink href={`/jobs?kind=${encodeURIComponent(s.kind)}`}>{s.kind}</TextLink></span>, width: 130 },
    { id: 'cron', title: t('cron'), value: (s) => s.cron, cell: (s) => <code>{s.cron}</code>, width: 120 },
    { id: 'next', title: t('next'), value: (s) => s.nextAt, cell: (s) => (s.nextAt && Date.parse(s.nextAt) <= now ? t('due') : <Time at={s.nextAt} ago />), width: 125 },
    { id: 'last', title: t('last'), value: (s) => s.lastAt, cell: (s) => <Time at={s.lastAt} ago />, width: 120 },
    { id: 'result', title: t('lastResult'), value: (s) => s.lastStatus, cell: (s) => (s.lastStatus ? <Status state={s.lastStatus} /> : <span className="text-muted">{t('notYet')}</span>), width: 145 },
    { id: 'job', title: t('lastJob'), value: (s) => s.lastJobId, cell: (s) => (s.lastJobId ? <TextLink href={`/jobs/${s.lastJobId}`}>{s.lastJobId.slice(-8)}</TextLink> : '–'), width: 100 },
  ];
  return (
    <>
      <p className="text-muted mb-3">{t('schedulesHint')}</p>
      <Shown of={schedules}>
        {({ items }) => <DataTable name="schedules" label={t('schedules')} param="s" rows={items} rowKey={(s) => s.name} columns={columns} empty={<EmptyState icon="jobs" title={t('noSchedules')} />} />}
      </Shown>
    </>
  );
}
