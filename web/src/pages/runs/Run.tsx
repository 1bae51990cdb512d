/* One run: what it was given, how it goes, what it left. While it runs the page moves with it. */
import { useEffect, useMemo, useState } from 'react';
import { useParams } from 'wouter';
import { api } from '../../api/client';
import type { RunAsset, RunDetail } from '../../api/types';
import { invalidate, useApi } from '../../api/useApi';
import { jobOver, useJob } from '../../api/useJob';
import { useWords } from '../../i18n';
import { Button, confirm, CopyButton, DataTable, Duration, EmptyState, Facts, Failure, LinkButton, Num, Page, Progress, Shown, Status, Tabs, TextLink, Time, toast, type Column } from '../../ui';
import { Artifacts } from './Artifacts';
import { byInterest } from '../../app/interest';
import { MetricCharts } from './Charts';
import { RunLog } from './RunLog';
import { words } from './words';

const POLL_MS = 2000;
const overStates = ['FINISHED', 'FAILED', 'KILLED'];

export default function Run() {
  const t = useWords(words);
  const { runId = '' } = useParams<{ runId: string }>();
  // A client's run may get numbers at any time; one that is over is asked for seldom.
  const [isOver, setOver] = useState(false);
  const run = useApi('/v1/runs/{runId}', { path: { runId } }, { poll: isOver ? 15000 : POLL_MS });
  const status = run.data?.status;
  useEffect(() => setOver(status !== undefined && overStates.includes(status)), [status]);
  const title = run.data?.name || runId;
  return (
    <Page
      title={title}
      crumbs={[{ title: t('title'), href: '/runs' }]}
      actions={
        run.data && (
          <>
            {run.data.jobId && !isOver && <JobButtons id={run.data.jobId} onChange={run.refetch} />}
            <LinkButton icon="lineage" href={`/lineage/${runId}`}>{t('lineage')}</LinkButton>
            <LinkButton icon="logs" href={`/logs?run=${runId}&range=30d`}>{t('logs')}</LinkButton>
          </>
        )
      }
    >
      <Shown of={run}>{(r) => <RunView run={r} isOver={isOver} refetch={run.refetch} />}</Shown>
    </Page>
  );
}

/* ---------------------------------------------------------------- its job */

function JobButtons({ id, onChange }: { id: string; onChange: () => void }) {
  const t = useWords(words);
  const job = useApi('/v1/jobs/{id}', { path: { id } }, { poll: POLL_MS });
  const [busy, setBusy] = useState(false);
  const state = job.data?.status;
  const tell = async (action: 'stop' | 'pause' | 'resume') => {
    if (action === 'stop' && !(await confirm({ title: t('stopTitle'), text: t('stopText'), action: t('stop'), danger: true }))) return;
    setBusy(true);
    try {
      await api('POST', '/v1/jobs/{id}/control', { path: { id }, body: { action } });
      toast.ok(t(`told_${action}`));
      invalidate(`/v1/jobs/${id}`);
      onChange();
    } catch (error) {
      toast.error(error);
    } finally {
      setBusy(false);
    }
  };
  if (!state || jobOver(state)) return null;
  const isPaused = state === 'paused';
  return (
    <>
      {isPaused ? (
        <Button needs="POST /v1/jobs/{id}/control" icon="play" busy={busy} onClick={() => void tell('resume')}>{t('resume')}</Button>
      ) : (
        <Button needs="POST /v1/jobs/{id}/control" icon="pause" busy={busy} disabled={job.data?.pauseWanted} onClick={() => void tell('pause')}>{t('pause')}</Button>
      )}
      <Button needs="POST /v1/jobs/{id}/control" look="danger" icon="stop" busy={busy} disabled={job.data?.stopWanted} onClick={() => void tell('stop')}>{t('stop')}</Button>
    </>
  );
}

/** The job of a run that goes on, as the server tells it step by step. */
function LiveJob({ id, name, onStep }: { id: string; name: string; onStep: () => void }) {
  const t = useWords(words);
  const job = useJob(id, { onStep });
  if (!job) return <div className="h-8" />;
  return (
    <div data-job={job.status}>
      {job.status !== 'running' && <p className="mb-1"><Status state={job.status} /></p>}
      <Progress done={job.done} total={job.total} etaSec={job.status === 'running' ? job.etaSec : null} label={t('progressOf', { name })} />
    </div>
  );
}

/** Why a run that ended well left nothing: its job says so, which ends a moment after its run. */
function Outcome({ id }: { id: string }) {
  const [isOver, setOver] = useState(false);
  const job = useApi('/v1/jobs/{id}', { path: { id } }, { poll: isOver ? 0 : POLL_MS });
  const state = job.data?.status;
  useEffect(() => setOver(state !== undefined && jobOver(state)), [state]);
  const skipped = (job.data?.result as { skipped?: unknown } | null | undefined)?.skipped;
  return typeof skipped === 'string' ? <p role="status" className="lg:col-span-2 text-warn break-words">{skipped}</p> : null;
}

/* ---------------------------------------------------------------- the run */

const nameOf = (asset: RunAsset | undefined, id: string) => (asset ? `${asset.name}@${asset.version}` : id);

const STEP_MS = 1000; // charts ask for new points this often at most

function RunView({ run, isOver, refetch }: { run: RunDetail; isOver: boolean; refetch: () => void }) {
  const t = useWords(words);
  const [tick, setTick] = useState(0);
  const [dirty, setDirty] = useState(0);
  useEffect(() => {
    if (dirty === 0) return;
    const timer = setTimeout(() => {
      setTick((n) => n + 1);
      setDirty(0);
      refetch();
    }, STEP_MS);
    return () => clearTimeout(timer);
  }, [dirty !== 0, refetch]); // eslint-disable-line react-hooks/exhaustive-deps
  // New numbers, whoever wrote them, are new points.
  const latest = JSON.stringify(run.metrics);
  useEffect(() => setTick((n) => n + 1), [latest]);

  const chartRuns = useMemo(() => [{ id: run.runId, label: run.name || run.runId, start: run.startedAt ? Date.parse(run.startedAt) : null }], [run.runId, run.name, run.startedAt]);
  const metrics = Object.keys(run.metrics).sort(byInterest);
  const dataset = run.inputs.find((a) => a.id === run.datasetId);
  const model = run.outputs.find((a) => a.id === run.modelId);
  const assets = run.inputs.length + run.outputs.length;
  return (
    <>
      <div className="card p-4 grid gap-x-8 gap-y-3 lg:grid-cols-2">
        <Facts
          of={[
            [t('state'), <Status key="s" state={run.status} />],
            [t('started'), <Time key="t" at={run.startedAt} />],
            [t('took'), run.startedAt && (run.finishedAt || !isOver) ? <Duration key="d" from={run.startedAt} to={run.finishedAt} /> : '–'],
            [t('user'), run.username || '–'],
          ]}
        />
        <Facts
          of={[
            [t('component'), [run.component, run.jobKind].filter(Boolean).join(' · ') || '–'],
            [t('dataset'), run.datasetId ? <TextLink key="l" className="inline-block py-1" href={`/datasets/${run.datasetId}`}>{nameOf(dataset, run.datasetId)}</TextLink> : '–'],
            [t('model'), run.modelId ? <TextLink key="l" className="inline-block py-1" href={`/models/${encodeURIComponent(model?.name ?? run.modelId)}`}>{nameOf(model, run.modelId)}</TextLink> : '–'],
            [t('id'), <span key="i" className="inline-flex flex-wrap items-center gap-1"><code className="break-all">{run.runId}</code><CopyButton text={run.runId} /></span>],
          ]}
        />
        <Failure of={run} className="lg:col-span-2" />
        {isOver && run.jobId && <Outcome id={run.jobId} />}
        {!isOver && run.jobId && <div className="lg:col-span-2"><LiveJob id={run.jobId} name={run.name || run.jobKind} onStep={() => setDirty((n) => n + 1)} /></div>}
      </div>
      <Tabs
        label={t('parts')}
        tabs={[
          { id: 'metrics', title: t('metrics'), count: metrics.length, render: () => <Metrics run={run} metrics={metrics} chartRuns={chartRuns} tick={tick} /> },
          { id: 'params', title: t('params'), count: Object.keys(run.params).length, render: () => <Pairs name="params" label={t('params')} of={run.params} empty={t('noParams')} /> },
          { id: 'assets', title: t('assets'), count: assets, render: () => <Assets run={run} /> },
          { id: 'artifacts', title: t('artifacts'), render: () => <Artifacts runId={run.runId} isOver={isOver} /> },
          { id: 'tags', title: t('tags'), count: Object.keys(run.tags).length, render: () => <Pairs name="tags" label={t('tags')} of={run.tags} empty={t('noTags')} /> },
          { id: 'log', title: t('log'), render: () => <RunLog run={run} isOver={isOver} /> },
        ]}
      />
    </>
  );
}

function Metrics({ run, metrics, chartRuns, tick }: { run: RunDetail; metrics: string[]; chartRuns: Parameters<typeof MetricCharts>[0]['runs']; tick: number }) {
  const t = useWords(words);
  return (
    <div className="flex flex-col gap-4">
      {metrics.length > 0 && (
        <dl aria-label={t('latest')} className="grid sm:grid-cols-2 md:grid-cols-3 xl:grid-cols-4 2xl:grid-cols-6 gap-x-6 gap-y-1">
          {metrics.map((key) => (
            <div key={key} className="flex justify-between gap-2 border-b border-line min-w-0">
              <dt className="text-muted truncate" title={key}>{key}</dt>
              <dd className="font-medium"><Num value={run.metrics[key]} /></dd>
            </div>
          ))}
        </dl>
      )}
      <MetricCharts runs={chartRuns} metrics={metrics} tick={tick} />
    </div>
  );
}

function Pairs({ name, label, of, empty }: { name: string; label: string; of: Record<string, string>; empty: string }) {
  const t = useWords(words);
  const rows = Object.entries(of);
  const columns: Column<[string, string]>[] = [
    { id: 'name', title: t('key'), value: ([key]) => key, width: 280 },
    { id: 'value', title: t('value'), value: ([, value]) => value, cell: ([, value]) => <span title={value} className="font-mono">{value}</span> },
  ];
  return <DataTable name={`run.${name}`} label={label} param={name} sort="name" rows={rows} rowKey={([key]) => key} columns={columns} empty={<EmptyState title={empty} />} />;
}

function Assets({ run }: { run: RunDetail }) {
  const t = useWords(words);
  interface Row extends RunAsset {
    way: 'in' | 'out';
  }
  const rows: Row[] = [...run.inputs.map((a) => ({ ...a, way: 'in' as const })), ...run.outputs.map((a) => ({ ...a, way: 'out' as const }))];
  const columns: Column<Row>[] = [
    { id: 'way', title: t('way'), value: (a) => t(a.way), width: 120 },
    { id: 'type', title: t('type'), value: (a) => t(a.type), width: 120 },
    { id: 'name', title: t('name'), value: (a) => a.name },
    { id: 'version', title: t('version'), value: (a) => a.version, width: 140 },
    { id: 'context', title: t('context'), value: (a) => a.context, width: 140 },
    { id: 'digest', title: t('digest'), value: (a) => a.digest, cell: (a) => <code title={a.digest ?? undefined}>{a.digest?.slice(0, 12) ?? '–'}</code>, width: 140 },
  ];
  const hrefOf = (a: Row) => (a.type === 'dataset' ? `/datasets/${encodeURIComponent(a.id)}` : `/models/${encodeURIComponent(a.name)}`);
  return <DataTable name="run.assets" label={t('assets')} simple param="a" rows={rows} rowKey={(a) => `${a.way} ${a.id}`} href={hrefOf} columns={columns} empty={<EmptyState icon="lineage" title={t('noAssets')}>{t('noAssetsNext')}</EmptyState>} />;
}
