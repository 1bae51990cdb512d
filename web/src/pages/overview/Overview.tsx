/* The overview: is it well, what runs, what was done, what serves. Everything here moves by itself. */
import { type ReactNode } from 'react';
import { Link } from 'wouter';
import type { ActiveModel, Finding, Health, Job, Run, ServerStatus, ServingFamily } from '../../api/types';
import { hasPage } from '../../app/pages';
import { useApi } from '../../api/useApi';
import { useJob } from '../../api/useJob';
import { useLang, useWords } from '../../i18n';
import { Kind, Said } from '../../i18n/server';
import { Bytes, CopyButton, DataTable, Duration, EmptyState, ErrorState, formatDuration, Icon, Num, Page, Progress, Section, Shown, Status, TextLink, Time, type Column } from '../../ui';
import { Loop } from './Loop';
import { words } from './words';

const POLL_MS = 3000;
const RECENT = 8;

export default function Overview() {
  const t = useWords(words);
  const status = useApi('/v1/status', {}, { poll: POLL_MS });
  // A 503 has the same body: it says what is down.
  const health = useApi('/health/deps', {}, { poll: 10000, also: 503 });
  const doctor = useApi('/v1/doctor', {}, { poll: 60000 });
  const serving = useApi('/v1/serving', {}, { poll: 10000 });
  return (
    <Page title={t('title')}>
      <Tiles status={status.data} />
      <Loop prod={status.data?.prod} />
      <div className="grid gap-5 lg:grid-cols-2">
        <Running />
        <Section title={t('attention')}>
          <Attention status={status.data} health={health.data} families={serving.data?.items} findings={doctor.data?.items} />
        </Section>
      </div>
      <Recent />
      <div className="grid gap-5 lg:grid-cols-2">
        <Section title={t('status')} actions={status.data && <CopyButton text={status.data.text} label={t('copyStatus')} />}>
          <Shown of={status}>{(s) => <pre lang="en" className="font-mono text-[0.86rem] whitespace-pre-wrap break-words">{s.text}</pre>}</Shown>
        </Section>
        <div className="grid gap-5 content-start">
          <Serving families={serving.data?.items} />
          <Section title={t('health')}>
            <Shown of={health}>{(h) => <HealthList health={h} />}</Shown>
          </Section>
        </div>
      </div>
    </Page>
  );
}

/* ---------------------------------------------------------------- tiles */

function Tiles({ status }: { status: ServerStatus | undefined }) {
  const t = useWords(words);
  const { lang } = useLang();
  const tiles: [string, ReactNode, string][] = [
    [t('games'), <Num value={status?.games} />, '/games'],
    [t('datasets'), <Num value={status?.datasets} />, '/datasets'],
    [t('latency'), status?.serveLatencyP50Ms == null ? '–' : formatDuration(status.serveLatencyP50Ms / 1000, lang), '/metrics?tab=serving'],
    [t('memory'), <Bytes value={status?.residentBytes} />, '/metrics'],
    [t('up'), <Time at={status?.startedAt} ago />, '/logs'],
    [t('backup'), status && !status.lastBackupAt ? t('noBackupYet') : <Time at={status?.lastBackupAt} ago />, '/settings?tab=maintenance'],
  ];
  return (
    <dl className="grid grid-cols-2 sm:grid-cols-3 xl:grid-cols-6 gap-3">
      {tiles.map(([name, value, href]) => (
        <div key={name} className="card relative px-4 py-3 hover:bg-raised">
          <dt className="text-muted text-[0.86rem]">{name}</dt>
          <dd className="text-lg font-semibold">{value}</dd>
          {hasPage(href) && <dd><Link href={href} className="absolute inset-0 rounded-lg"><span className="sr-only">{t('open', { what: name })}</span></Link></dd>}
        </div>
      ))}
    </dl>
  );
}

function HealthList({ health }: { health: Health }) {
  const t = useWords(words);
  return (
    <ul className="flex flex-col gap-2">
      {(['store', 'blobs', 'disk'] as const).map((name) => (
        <li key={name} className="flex flex-wrap items-center gap-x-3 gap-y-1">
          <span className="w-28">{t(name)}</span>
          <Status state={health[name].status} label={health[name].status === 'up' ? t('isUp') : undefined} />
          <Said or={health[name].status === 'up' ? undefined : 'english'} className="text-muted min-w-0 break-words">{health[name].detail}</Said>
        </li>
      ))}
    </ul>
  );
}

// What the doctor says of these, the health of the dependencies says as well.
const asHealth = ['store', 'blobs', 'disk'];

function Attention({ status, health, families, findings }: { status?: ServerStatus; health?: Health; families?: ServingFamily[]; findings?: Finding[] }) {
  const t = useWords(words);
  const found: { key: string; what: ReactNode; next?: ReactNode; link?: string }[] = [];
  for (const name of ['store', 'blobs', 'disk'] as const)
    if (health && health[name].status !== 'up') found.push({ key: name, what: t('depDown', { name: t(name) }), next: <Said or="english">{health[name].detail}</Said> });
  if (status?.failedJobs) found.push({ key: 'jobs', what: t('failedJobs', { n: status.failedJobs }), next: t('failedJobsNext'), link: '/jobs?state=failed' });
  for (const family of families ?? [])
    for (const slot of family.slots)
      if (slot.failure) found.push({ key: `${family.family} ${slot.alias}`, what: t('slotFailed', { model: family.modelId, alias: slot.alias }), next: <span lang="en">{slot.failure}</span> });
  for (const f of findings ?? [])
    if (!f.good && !(asHealth.includes(f.what) && health && health[f.what as 'store'].status !== 'up'))
      found.push({ key: `doctor ${f.what}`, what: <><Said>{f.what}</Said>: <Said or="english">{f.state}</Said></>, next: f.nextStep ? <Said>{f.nextStep}</Said> : undefined, link: '/settings?tab=doctor' });
  if (status && !status.lastBackupAt) found.push({ key: 'backup', what: t('noBackup'), next: t('noBackupNext') });
  if (found.length === 0)
    return <p className="text-muted flex items-center gap-2"><Icon name="check" className="text-good" />{t('allWell')}</p>;
  return (
    <ul className="flex flex-col gap-3">
      {found.map((item) => (
        <li key={item.key} className="flex gap-2">
          <Icon name="alert" className="text-warn shrink-0 mt-0.5" />
          <div className="min-w-0">
            <p className="font-medium break-words">{item.link ? <TextLink href={item.link}>{item.what}</TextLink> : item.what}</p>
            {item.next && <p className="text-muted break-words">{item.next}</p>}
          </div>
        </li>
      ))}
    </ul>
  );
}

/* ---------------------------------------------------------------- what runs */

/** One job, live: each step that the server tells moves the bar. */
function JobRow({ job, onEnd }: { job: Job; onEnd: () => void }) {
  const t = useWords(words);
  const live = useJob(job.id, { onEnd }) ?? job;
  return (
    <li className="py-2 first:pt-0 last:pb-0 border-b border-line last:border-b-0">
      <div className="flex flex-wrap items-center gap-2 mb-1.5">
        <span className="font-medium"><Kind of={live.kind} /></span>
        <Status state={live.status} />
        <span className="text-muted">{live.username && t('by', { user: live.username })}</span>
        <span className="grow" />
        <span className="text-muted"><Time at={live.startedAt ?? live.createdAt} ago /></span>
      </div>
      <Progress done={live.done} total={live.total} etaSec={live.etaSec} label={t('progressOf', { name: live.kind })} />
    </li>
  );
}

function Running() {
  const t = useWords(words);
  const jobs = useApi('/v1/jobs', { query: { status: 'running', limit: 20 } }, { poll: POLL_MS });
  const queued = useApi('/v1/jobs', { query: { status: 'queued', limit: 100 } }, { poll: POLL_MS });
  const waiting = queued.data?.items.length ?? 0;
  return (
    <Section title={t('running')} className="min-h-28" actions={waiting > 0 && <span className="text-muted">{t('queued', { n: waiting })}</span>}>
      <Shown of={jobs}>
        {({ items }) =>
          items.length ? (
            <ul>{items.map((job) => <JobRow key={job.id} job={job} onEnd={jobs.refetch} />)}</ul>
          ) : (
            <p><span className="font-medium">{t('nothingRuns')}.</span> <span className="text-muted">{t('nothingRunsNext')}</span> <TextLink href="/runs/new">{t('newTraining')}</TextLink></p>
          )
        }
      </Shown>
    </Section>
  );
}

/* ---------------------------------------------------------------- what serves */

function Serving({ families }: { families: ServingFamily[] | undefined }) {
  const t = useWords(words);
  const active = useApi('/v1/models/active', {}, { poll: 10000 });
  const accuracyOf = (m: ActiveModel) =>
    families?.find((f) => f.modelId === m.modelId)?.slots.find((s) => s.alias === m.alias)?.accuracy ?? null;
  const columns: Column<ActiveModel>[] = [
    { id: 'model', title: t('model'), value: (m) => `${m.modelId}@${m.modelVersion}`, cell: (m) => <TextLink href={`/models/${encodeURIComponent(m.modelId)}`}>{m.modelId}@{m.modelVersion}</TextLink> },
    { id: 'alias', title: t('alias'), value: (m) => m.alias ?? '', width: 105 },
    { id: 'accuracy', title: t('accuracy'), value: accuracyOf, cell: (m) => <Num value={accuracyOf(m)} percent />, width: 125, align: 'right' },
  ];
  // What was loaded by its number, for an evaluation say, serves nobody who does not ask for it.
  const byAlias = (m: ActiveModel) => m.alias !== `${m.modelId}@${m.modelVersion}`;
  return (
    <Section title={t('serving')}>
      <Shown of={active}>
        {({ items }) => (
          <DataTable name="overview.serving" label={t('serving')} simple param="m" height={300} href={(m) => `/models/${encodeURIComponent(m.modelId)}`} rows={items.filter(byAlias)} rowKey={(m) => `${m.modelId}@${m.alias ?? m.modelVersion}`} columns={columns} empty={<EmptyState icon="models" title={t('nothingServes')}>{t('nothingServesNext')}</EmptyState>} />
        )}
      </Shown>
    </Section>
  );
}

/* ---------------------------------------------------------------- what was done */

function Recent() {
  const t = useWords(words);
  const runs = useApi('/v1/runs', { query: { limit: RECENT } }, { poll: POLL_MS });
  const columns: Column<Run>[] = [
    { id: 'name', title: t('name'), value: (r) => r.name || r.runId, cell: (r) => <TextLink href={`/runs/${r.runId}`}>{r.name || r.runId}</TextLink> },
    { id: 'state', title: t('state'), value: (r) => r.status, cell: (r) => <Status state={r.status} />, width: 140 },
    { id: 'component', title: t('component'), value: (r) => r.component, width: 130 },
    { id: 'user', title: t('user'), value: (r) => r.username, width: 120 },
    { id: 'startedAt', title: t('started'), value: (r) => r.startedAt, cell: (r) => <Time at={r.startedAt} ago />, width: 130, align: 'right' },
    { id: 'took', title: t('took'), value: (r) => (r.startedAt && r.finishedAt ? Date.parse(r.finishedAt) - Date.parse(r.startedAt) : null), cell: (r) => <Duration from={r.startedAt} to={r.finishedAt} />, width: 100, align: 'right' },
  ];
  if (runs.error && !runs.data) return <ErrorState error={runs.error} retry={runs.refetch} />;
  return (
    <Section title={t('recent')} actions={<TextLink href="/runs">{t('allRuns')}</TextLink>}>
      <Shown of={runs}>
        {({ items }) => (
          <DataTable name="overview.runs" label={t('recent')} simple href={(r) => `/runs/${r.runId}`} rows={items} rowKey={(r) => r.runId} columns={columns} empty={<EmptyState icon="runs" title={t('noRuns')}>{t('noRunsNext', { origin: location.origin })}</EmptyState>} />
        )}
      </Shown>
    </Section>
  );
}
