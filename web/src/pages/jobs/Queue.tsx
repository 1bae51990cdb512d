/* Jobs by state, newest first. The server filters; the ones that run move by themselves. */
import { useState } from 'react';
import type { Job, JobState } from '../../api/types';
import { invalidate, useApi } from '../../api/useApi';
import { useJob } from '../../api/useJob';
import { useParam } from '../../app/params';
import { useLang, useWords } from '../../i18n';
import { Kind, Said, useKindName } from '../../i18n/server';
import { Button, DataTable, Duration, EmptyState, FailureText, formatDuration, Progress, SelectField, Shown, Status, TextLink, Time, type Column } from '../../ui';
import { JobButtons } from './JobButtons';
import { words } from './words';

const POLL_MS = 2500;
const FIRST = 100;
const ALL = 1000; // as many as the server gives at once
const states: JobState[] = ['running', 'queued', 'waiting', 'paused', 'failed', 'stopped', 'succeeded'];

export function Queue() {
  const t = useWords(words);
  const { lang } = useLang();
  const [state, setState] = useParam('state');
  const [kind, setKind] = useParam('kind');
  const kindOf = useKindName();
  const [limit, setLimit] = useState(FIRST);
  const counts = useApi('/v1/jobs/count', { query: { kind } }, { poll: POLL_MS });
  const jobs = useApi('/v1/jobs', { query: { status: state, kind, limit } }, { poll: POLL_MS });
  const workers = useApi('/v1/workers');
  const kinds = [...new Set([...(workers.data?.items.flatMap((w) => w.kinds) ?? []), kind])].filter(Boolean).sort();
  const active = counts.data ? counts.data.byStatus.running + counts.data.byStatus.queued + counts.data.byStatus.waiting + counts.data.byStatus.paused : undefined;
  const choices: [string, string, number | undefined][] = [
    ['', t('all'), counts.data?.count],
    ['active', t('active'), active],
    ...states.map((s): [string, string, number | undefined] => [s, t(s), counts.data?.byStatus[s]]),
  ];
  const columns: Column<Job>[] = [
    { id: 'kind', title: t('kind'), value: (j) => j.kind, cell: (j) => <span title={kindOf(j.kind)}><TextLink href={`/jobs/${j.id}`}>{j.kind}</TextLink></span>, width: 140 },
    { id: 'state', title: t('state'), value: (j) => j.status, cell: (j) => <Status state={j.status} />, width: 145 },
    { id: 'says', title: t('says'), value: (j) => j.error || '', cell: (j) => <Says job={j} /> },
    { id: 'user', title: t('user'), value: (j) => j.username, cell: (j) => j.username || <span className="text-muted">{t('byItself')}</span>, width: 110 },
    { id: 'created', title: t('created'), value: (j) => j.createdAt, cell: (j) => <Time at={j.createdAt} ago />, width: 120 },
    { id: 'took', title: t('took'), value: (j) => (j.startedAt && j.finishedAt ? Date.parse(j.finishedAt) - Date.parse(j.startedAt) : null), cell: (j) => (j.startedAt && (j.finishedAt || j.status === 'running') ? <Duration from={j.startedAt} to={j.finishedAt} /> : '–'), width: 80, align: 'right' },
    { id: 'attempts', title: t('attempts'), value: (j) => j.attempts, cell: (j) => t('ofTries', { n: j.attempts, max: j.triesMax }), width: 110, align: 'right', hidden: true },
    { id: 'run', title: t('run'), value: (j) => j.runId, cell: (j) => (j.runId ? <TextLink href={`/runs/${j.runId}`}>{j.runId.slice(-8)}</TextLink> : '–'), width: 105 },
    { id: 'actions', title: t('actions'), value: () => '', cell: (j) => <JobButtons job={j} compact />, width: 92, align: 'right', rank: 0, exported: false },
  ];
  return (
    <div className="flex flex-col gap-4">
      <div className="flex flex-wrap items-end gap-3">
        <div role="group" aria-label={t('state')} className="flex flex-wrap gap-1.5">
          {choices.map(([id, title, n]) => (
            <Button key={id} look={state === id ? 'primary' : 'plain'} aria-pressed={state === id} onClick={() => { setState(id); setLimit(FIRST); }}>
              {title}
              {n !== undefined && <span className="font-normal">{n.toLocaleString(lang)}</span>}
            </Button>
          ))}
        </div>
        <div className="w-52"><SelectField label={t('kind')} hideLabel value={kind} onChange={setKind} options={[{ value: '', label: t('anyKind') }, ...kinds.map((k) => ({ value: k, label: kindOf(k) }))]} /></div>
      </div>
      <Running kind={kind} />
      <Shown of={jobs}>
        {({ items }) => (
          <>
            <DataTable name="jobs" label={t('queue')} rows={items} rowKey={(j) => j.id} columns={columns} href={(j) => `/jobs/${j.id}`} empty={<EmptyState icon="jobs" title={state || kind ? t('noneSuch') : t('none')}>{state || kind ? t('noneSuchNext') : t('noneNext')}</EmptyState>} />
            {items.length === limit && limit < ALL && <div><Button onClick={() => setLimit(ALL)}>{t('more')}</Button></div>}
            {items.length === ALL && <p className="text-muted">{t('cut', { n: ALL.toLocaleString(lang) })}</p>}
          </>
        )}
      </Shown>
    </div>
  );
}

/** Why it failed, or what it waits for. */
function Says({ job }: { job: Job }) {
  const waits = job.status === 'queued' || job.status === 'waiting';
  const asked = useApi(waits ? '/v1/jobs/{id}' : null, { path: { id: job.id } });
  if (waits && asked.data?.waitsFor) return <Said title className="text-muted">{asked.data.waitsFor}</Said>;
  return !waits && job.error ? <span title={job.error} className={job.status === 'failed' ? 'text-bad' : 'text-muted'}><FailureText of={job} /></span> : <span className="text-muted">–</span>;
}

/* ---------------------------------------------------------------- what runs */

function Running({ kind }: { kind: string }) {
  const t = useWords(words);
  const running = useApi('/v1/jobs', { query: { status: 'running', kind, limit: 20 } }, { poll: POLL_MS });
  const items = running.data?.items ?? [];
  if (items.length === 0) return null;
  return (
    <section aria-label={t('running')} className="grid gap-3 md:grid-cols-2 xl:grid-cols-3">
      {items.map((job) => <RunningJob key={job.id} job={job} />)}
    </section>
  );
}

function RunningJob({ job }: { job: Job }) {
  const { lang } = useLang();
  const t = useWords(words);
  const kindOf = useKindName();
  const told = useJob(job.id, { onEnd: () => invalidate('/v1/jobs') }) ?? job;
  return (
    <div className="card p-3 min-w-0">
      <div className="flex items-center gap-2 mb-1.5">
        <TextLink href={`/jobs/${job.id}`} className="font-medium truncate" label={t('runningJob', { kind: kindOf(job.kind), id: job.id.slice(-6) })}><Kind of={job.kind} /></TextLink>
        <Status state={told.status} />
        <span className="grow" />
        <span className="text-muted whitespace-nowrap">{told.etaSec === null ? <Duration from={told.startedAt} /> : t('left', { time: formatDuration(told.etaSec, lang) })}</span>
      </div>
      <Progress compact done={told.done} total={told.total} label={t('progressOf', { name: job.kind })} />
    </div>
  );
}
