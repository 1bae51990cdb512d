/* Analytics plugins: how far each is, the last pass over all games, and a new one when it is wanted. */
import { useState } from 'react';
import { api } from '../../api/client';
import type { Job } from '../../api/types';
import { invalidate, useApi } from '../../api/useApi';
import { jobOver, useJob } from '../../api/useJob';
import { useWords } from '../../i18n';
import { Said, useSaid } from '../../i18n/server';
import { Button, DataTable, Duration, EmptyState, Failure, FailureText, Num, Page, Progress, Section, Shown, Status, TextLink, Time, toast, useAction, type Column } from '../../ui';
import type { Analytic, PassReport } from './types';
import { words } from './words';

const POLL_MS = 5000;

export default function Plugins() {
  const t = useWords(words);
  const analytics = useApi('/v1/analytics', {}, { poll: POLL_MS });
  return (
    <Page title={t('title')}>
      <p className="text-muted max-w-[80ch] -mb-2">{t('about')}</p>
      <Pass />
      <Shown of={analytics}>{({ items }) => <Table rows={items} />}</Shown>
      <Section title={t('own')}>
        <p className="max-w-[80ch]">{t('ownText')}</p>
        <pre className="font-mono text-[0.86rem] whitespace-pre-wrap break-words mt-2" tabIndex={0} aria-label={t('own')}>{'skerry plugin header > plugin.h\nskerry plugin build my_plugin.c'}</pre>
      </Section>
    </Page>
  );
}

/* ---------------------------------------------------------------- a pass over all games */

function Pass() {
  const t = useWords(words);
  const { busy, act } = useAction();
  const last = useApi('/v1/jobs', { query: { kind: 'chess.analyse', limit: 1 } }, { poll: POLL_MS });
  const [begun, setBegun] = useState<string | null>(null);
  const newest = last.data?.items[0];
  // One that the clock or an import began is shown as it goes, too.
  const id = begun ?? (newest && !jobOver(newest.status) ? newest.id : null);
  const told = useJob(id, {
    onEnd: (job) => {
      invalidate('/v1/analytics');
      invalidate('/v1/jobs');
      if (begun === job.id) {
        const report = job.result as PassReport | null;
        if (job.status === 'succeeded') toast.ok(t('passed', { n: report?.games ?? 0 }));
        else toast.bad(<>{t('notPassed')} <FailureText of={job} /></>);
      }
    },
  });
  const isGoing = told !== null && !jobOver(told.status);
  const run = () => act('run', async () => setBegun((await api('POST', '/v1/analytics/run')).jobId));
  const shown: Job | undefined = told ?? newest;
  return (
    <Section title={t('pass')} actions={<Button needs="POST /v1/analytics/run" look="primary" icon="play" busy={busy !== null || isGoing} onClick={() => void run()}>{t('runNow')}</Button>}>
      {!shown ? (
        <p className="text-muted">{t('noPass')}</p>
      ) : (
        <div className="flex flex-col gap-2" data-pass={shown.status}>
          <p className="flex flex-wrap items-center gap-x-3 gap-y-1">
            <Status state={shown.status} />
            <Time at={shown.startedAt ?? shown.createdAt} ago />
            {shown.startedAt && <span className="text-muted">{t('took')} <Duration from={shown.startedAt} to={shown.finishedAt} /></span>}
            <TextLink href={`/jobs/${shown.id}`}>{t('job')}</TextLink>
            {shown.runId && <TextLink href={`/runs/${shown.runId}`}>{t('run')}</TextLink>}
          </p>
          {!jobOver(shown.status) && <Progress done={shown.done} total={shown.total} etaSec={shown.etaSec} label={t('progress')} />}
          <Failure of={shown} />
          {jobOver(shown.status) && <Report report={shown.result as PassReport | null} />}
        </div>
      )}
    </Section>
  );
}

/** What was new in the pass; and a plugin that could not do its work, with the reason. */
function Report({ report }: { report: PassReport | null }) {
  const t = useWords(words);
  if (!report?.plugins) return null;
  const broken = report.plugins.filter((p) => p.error);
  return (
    <>
      <p>{report.games ? t('answers', { n: report.games }) : t('nothingNew')}</p>
      {broken.map((p) => <p key={p.plugin} className="text-bad break-words">{p.plugin} {p.version}: <span lang="en">{p.error}</span></p>)}
    </>
  );
}

/* ---------------------------------------------------------------- the plugins */

function Table({ rows }: { rows: Analytic[] }) {
  const t = useWords(words);
  const say = useSaid();
  const hrefOf = (a: Analytic) => `/plugins/${encodeURIComponent(a.name)}?version=${encodeURIComponent(a.version)}`;
  const columns: Column<Analytic>[] = [
    { id: 'name', title: t('name'), value: (a) => a.name, cell: (a) => <TextLink href={hrefOf(a)} label={`${a.name} ${a.version}`}>{a.name}</TextLink>, width: 150, rank: 0 },
    { id: 'version', title: t('version'), value: (a) => a.version, width: 90, rank: 2 },
    { id: 'state', title: t('state'), value: (a) => (a.active ? t('there') : t('gone')), cell: (a) => <Status state={a.active ? 'active' : 'idle'} tone={a.active ? 'good' : 'idle'} label={a.active ? t('there') : t('gone')} />, width: 120 },
    { id: 'completed', title: t('completed'), value: (a) => a.completed, cell: (a) => <Num value={a.completed} />, width: 100, align: 'right' },
    { id: 'pending', title: t('pending'), value: (a) => a.pending, cell: (a) => <Num value={a.pending} />, width: 90, align: 'right' },
    { id: 'skipped', title: t('skipped'), value: (a) => a.skipped, cell: (a) => <Num value={a.skipped} />, width: 110, align: 'right' },
    { id: 'failed', title: t('failures'), value: (a) => a.failed, cell: (a) => <span className={a.failed ? 'text-bad' : ''}><Num value={a.failed} /></span>, width: 120, align: 'right' },
    { id: 'summary', title: t('summary'), value: (a) => say(a.summary), cell: (a) => <Said or={a.origin.startsWith('builtin:') ? undefined : 'anything'}>{a.summary}</Said>, rank: 0 },
    { id: 'origin', title: t('origin'), value: (a) => a.origin, width: 180, hidden: true },
    { id: 'first', title: t('firstSeen'), value: (a) => a.firstSeenAt, cell: (a) => <Time at={a.firstSeenAt} ago />, width: 130, hidden: true },
  ];
  return <DataTable name="plugins" label={t('title')} tall stack rows={rows} rowKey={(a) => `${a.name} ${a.version}`} href={hrefOf} columns={columns} empty={<EmptyState icon="plugins" title={t('none')}>{t('noneNext')}</EmptyState>} />;
}
