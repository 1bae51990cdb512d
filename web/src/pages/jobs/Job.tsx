/* One job: how it goes, what it waits for, what it was given, what became of it, and each change on the way. */
import type { ReactNode } from 'react';
import { useParams } from 'wouter';
import type { Job, JobChange } from '../../api/types';
import { invalidate, useApi } from '../../api/useApi';
import { jobOver, useJob } from '../../api/useJob';
import { useLang, useWords } from '../../i18n';
import { Said, useKindName } from '../../i18n/server';
import { CopyButton, DataTable, Duration, EmptyState, Facts, Failure, formatDuration, LinkButton, Page, Progress, Section, Shown, Status, Time, type Column } from '../../ui';
import { JobButtons } from './JobButtons';
import './types';
import { words } from './words';

const POLL_MS = 2500;

export default function JobPage() {
  const t = useWords(words);
  const { id = '' } = useParams<{ id: string }>();
  const kindOf = useKindName();
  const job = useApi('/v1/jobs/{id}', { path: { id } }, { poll: POLL_MS });
  const j = job.data;
  return (
    <Page
      title={j ? kindOf(j.kind) : id}
      crumbs={[{ title: t('title'), href: '/jobs' }]}
      actions={
        j && (
          <>
            <JobButtons job={j} />
            {j.runId && <LinkButton icon="runs" href={`/runs/${j.runId}`}>{t('run')}</LinkButton>}
            {j.runId && <LinkButton icon="logs" href={`/logs?run=${j.runId}&range=30d&level=debug`}>{t('logs')}</LinkButton>}
          </>
        )
      }
    >
      <Shown of={job}>{(known) => <JobView job={known} />}</Shown>
    </Page>
  );
}

function JobView({ job }: { job: Job }) {
  const t = useWords(words);
  const isOver = jobOver(job.status);
  // Its events while it goes; a stopped or failed one may be replayed and then has new ones.
  const told = useJob(isOver ? null : job.id, { onEnd: () => invalidate(`/v1/jobs/${job.id}`) });
  const live = !isOver && told && !jobOver(told.status) ? told : job;
  return (
    <>
      <div className="card p-4 grid gap-x-8 gap-y-3 lg:grid-cols-2" data-job={live.status}>
        <Facts
          of={[
            [t('state'), <span key="s" className="inline-flex flex-wrap gap-2"><Status state={live.status} />{live.stopWanted && !isOver && t('stopping')}{live.pauseWanted && live.status === 'running' && t('pausing')}</span>],
            ...(job.waitsFor ? [[t('waitsFor'), <Said key="w">{job.waitsFor}</Said>] as [string, ReactNode]] : []),
            [t('user'), job.username || t('byItself')],
            [t('attempts'), t('ofTries', { n: live.attempts, max: job.triesMax })],
            [t('priority'), String(job.priority)],
          ]}
        />
        <Facts
          of={[
            [t('created'), <Time key="c" at={job.createdAt} />],
            [t('started'), <Time key="t" at={live.startedAt} />],
            [t('took'), live.startedAt && (job.finishedAt || live.status === 'running') ? <Duration key="d" from={live.startedAt} to={job.finishedAt} /> : '–'],
            ...(live.status === 'queued' && live.nextTryAt && Date.parse(live.nextTryAt) > Date.now() ? [[t('nextTry'), <Time key="n" at={live.nextTryAt} ago />] as [string, ReactNode]] : []),
            [t('id'), <span key="i" className="inline-flex flex-wrap items-center gap-1"><code className="break-all">{job.id}</code><CopyButton text={job.id} /></span>],
          ]}
        />
        <Failure of={job} className="lg:col-span-2" />
        {!isOver && (live.status === 'running' || live.total > 0) && <div className="lg:col-span-2"><Progress done={live.done} total={live.total} etaSec={live.status === 'running' ? live.etaSec : null} label={t('progressOf', { name: job.kind })} /></div>}
      </div>
      <div className="grid gap-5 lg:grid-cols-2">
        <Json title={t('payload')} value={job.payload} />
        <Json title={t('result')} value={job.result} empty={isOver ? t('noResult') : t('noResultYet')} />
      </div>
      <History job={job} />
    </>
  );
}

function Json({ title, value, empty }: { title: string; value: unknown; empty?: string }) {
  const isNone = value === null || value === undefined || value === '';
  return (
    <Section title={title} actions={!isNone && <CopyButton text={() => JSON.stringify(value, null, 2)} />}>
      {isNone ? <p className="text-muted">{empty}</p> : <pre className="font-mono text-[0.86rem] whitespace-pre-wrap break-words max-h-96 overflow-auto" tabIndex={0} aria-label={title}>{JSON.stringify(value, null, 2)}</pre>}
    </Section>
  );
}

function History({ job }: { job: Job }) {
  const { lang } = useLang();
  const t = useWords(words);
  const history = useApi('/v1/jobs/{id}/history', { path: { id: job.id } }, { poll: jobOver(job.status) ? 15000 : POLL_MS });
  const columns: Column<JobChange>[] = [
    { id: 'at', title: t('at'), value: (c) => c.at, cell: (c) => <Time at={c.at} />, width: 150 },
    { id: 'to', title: t('became'), value: (c) => c.to, cell: (c) => <Status state={c.to} />, width: 150 },
    { id: 'attempt', title: t('attempt'), value: (c) => c.attempt || null, width: 90, align: 'right' },
    { id: 'took', title: t('after'), value: (c) => c.tookMs, cell: (c) => (c.tookMs === null ? '–' : formatDuration(c.tookMs / 1000, lang)), width: 110, align: 'right' },
    { id: 'detail', title: t('reason'), value: (c) => c.detail, cell: (c) => (c.detail ? <Said title or="english">{c.detail}</Said> : '–') },
    { id: 'worker', title: t('worker'), value: (c) => c.worker, cell: (c) => <code title={c.worker}>{c.worker || '–'}</code>, width: 200 },
  ];
  return (
    <Section title={t('history')} card={false}>
      <Shown of={history}>
        {({ items }) => <DataTable name="job.history" label={t('history')} simple param="h" height={420} rows={items} rowKey={(c) => `${c.at} ${c.event} ${c.to}`} columns={columns} empty={<EmptyState icon="jobs" title={t('noHistory')} />} />}
      </Shown>
    </Section>
  );
}
