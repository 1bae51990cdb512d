/* One version of a dataset: what is in it, how good it is, where it came from, and how to get it. What its kind does not have is
 * left out: a client's dataset has no rows here. */
import { useEffect, useState, type ReactNode } from 'react';
import { useLocation } from 'wouter';
import { api } from '../../api/client';
import type { Job } from '../../api/types';
import { invalidate, useApi } from '../../api/useApi';
import { useLastPart } from '../../app/params';
import { useLang, useWords } from '../../i18n';
import { Button, Bytes, confirm, CopyButton, DataTable, Facts, formatNumber, Icon, LinkButton, Num, Page, Shown, Status, Tabs, TextLink, Time, toast, type Column, type Tab } from '../../ui';
import { Build } from './Build';
import { Export } from './Export';
import { useChoiceName, useFieldName } from './Fields';
import { Origin } from './Origin';
import { Profile, Quality } from './Profile';
import { Sample } from './Sample';
import { hrefOf, type DatasetVersion, type DatasetWhole, type Json } from './types';
import { words } from './words';

const POLL_MS = 2000;

export default function Dataset() {
  const t = useWords(words);
  const id = useLastPart();
  const [isBuilding, setBuilding] = useState(false);
  const dataset = useApi('/v1/datasets/{id}', { path: { id } }, { poll: isBuilding ? POLL_MS : 0 });
  const status = dataset.data?.status;
  useEffect(() => setBuilding(status === 'building'), [status]);
  const d = dataset.data;
  return (
    <Page
      title={d ? `${d.name}@${d.version}` : id}
      crumbs={[{ title: t('title'), href: '/datasets' }]}
      actions={d && <Actions of={d} />}
    >
      <Shown of={dataset}>{(whole) => <Whole key={whole.id} of={whole} refetch={dataset.refetch} />}</Shown>
    </Page>
  );
}

function Actions({ of }: { of: DatasetWhole }) {
  const t = useWords(words);
  const kinds = useApi('/v1/datasets/kinds');
  const models = useApi('/v1/trainings/kinds');
  const trained = models.data?.items.find((k) => k.datasetKind === of.kind);
  const isOurs = kinds.data?.items.some((k) => k.kind === of.kind);
  return (
    <>
      <LinkButton icon="lineage" href={`/lineage/${of.id}`}>{t('lineage')}</LinkButton>
      {trained && of.status === 'ready' && <LinkButton needs="POST /v1/trainings" look="primary" icon="play" href={trained.needsDataset ? `/runs/new?kind=${trained.kind}&datasetId=${of.id}` : `/runs/new?kind=${trained.kind}`}>{t('train')}</LinkButton>}
      {isOurs && <LinkButton needs="POST /v1/datasets" icon="plus" href={`/datasets/new?from=${of.id}`}>{t('newVersion')}</LinkButton>}
      <Delete of={of} />
    </>
  );
}

function Delete({ of }: { of: DatasetWhole }) {
  const t = useWords(words);
  const [, navigate] = useLocation();
  const [busy, setBusy] = useState(false);
  const name = `${of.name}@${of.version}`;
  const remove = async () => {
    if (!(await confirm({ title: t('deleteTitle', { name }), text: t('deleteText'), action: t('delete'), danger: true }))) return;
    setBusy(true);
    try {
      await api('DELETE', '/v1/datasets/{id}', { path: { id: of.id } });
      toast.ok(t('deleted', { name }));
      invalidate('/v1/datasets?'); // the lists; what is gone must not be asked for again
      navigate('/datasets');
    } catch (error) {
      // The server says why: a model was trained on it, or who may do it.
      toast.error(error);
    } finally {
      setBusy(false);
    }
  };
  return <Button needs="DELETE /v1/datasets/{id}" look="danger" icon="trash" busy={busy} onClick={() => void remove()}>{t('delete')}</Button>;
}

/** The job that builds it: the newest of its kind that says this dataset. */
function Building({ of, onEnd }: { of: DatasetWhole; onEnd: () => void }) {
  const t = useWords(words);
  const kinds = useApi('/v1/datasets/kinds');
  const kind = kinds.data?.items.find((k) => k.kind === of.kind);
  const jobs = useApi(kind ? '/v1/jobs' : null, { query: { kind: kind?.buildJob, limit: 100 } });
  const job = jobs.data?.items.find((j: Job) => (j.payload as { datasetId?: string } | null)?.datasetId === of.id);
  return (
    <>
      <p role="status">{t('buildingText')}</p>
      {job && <Build jobId={job.id} name={`${of.name}@${of.version}`} onEnd={onEnd} />}
    </>
  );
}

/** A filter, a split or tags as words: "Speed: Blitz, Bullet · Rating from: 1,800". */
function Said({ of, as, empty }: { of: Record<string, Json> | null; as: 'filter' | 'split' | 'tags'; empty: string }) {
  const { lang } = useLang();
  const t = useWords(words);
  const nameOf = useFieldName();
  const choiceOf = useChoiceName();
  const textOf = (name: string, value: Json): string => {
    if (Array.isArray(value)) return value.map((item) => textOf(name, item)).join(', ');
    if (typeof value === 'boolean') return t(value ? 'yes' : 'no');
    if (typeof value === 'number') return as === 'split' && name !== 'seed' ? new Intl.NumberFormat(lang, { style: 'percent', maximumFractionDigits: 2 }).format(value) : formatNumber(value, lang);
    if (typeof value === 'string') return as === 'tags' || name === 'player' ? value : choiceOf(value);
    return JSON.stringify(value);
  };
  const entries = Object.entries(of ?? {});
  if (entries.length === 0) return <>{empty}</>;
  return <>{entries.map(([name, value]) => `${as === 'tags' ? name : nameOf(name)}: ${textOf(name, value)}`).join(' · ')}</>;
}

function Whole({ of, refetch }: { of: DatasetWhole; refetch: () => void }) {
  const t = useWords(words);
  const isReady = of.status === 'ready';
  const hasRows = of.formats.length > 0; // the server has code that reads them
  const tabs: Tab[] = [];
  if (isReady && (of.profile?.schema?.columns?.length || of.profile?.stats)) tabs.push({ id: 'profile', title: t('profile'), render: () => <Profile of={of} /> });
  if (isReady && (of.checks.length || of.profile?.quality)) tabs.push({ id: 'quality', title: t('quality'), render: () => <Quality of={of} /> });
  if (isReady && hasRows) tabs.push({ id: 'sample', title: t('sample'), render: () => <Sample of={of} /> });
  tabs.push({ id: 'versions', title: t('versions'), render: () => <Versions of={of} /> });
  tabs.push({ id: 'origin', title: t('origin'), render: () => <Origin of={of} /> });
  if (isReady && hasRows) tabs.push({ id: 'export', title: t('export'), render: () => <Export of={of} /> });
  const failed = of.checks.filter((c) => !c.passed).length;
  return (
    <>
      <div className="card p-4 grid gap-x-8 gap-y-3 lg:grid-cols-2">
        <Facts
          of={[
            [t('state'), <Status key="s" state={of.status} />],
            [t('kind'), of.kind],
            [t('rows'), of.rows ? <Num key="r" value={of.rows} /> : '–'],
            [t('size'), of.sizeBytes ? <Bytes key="b" value={of.sizeBytes} /> : '–'],
            ...(of.checks.length ? [[t('quality'), failed ? <Status key="q" state="failed" label={t('failedN', { n: failed })} /> : <Status key="q" state="ok" label={t('passedAll')} />] as [string, ReactNode]] : []),
          ]}
        />
        <Facts
          of={[
            [t('made'), <Time key="t" at={of.createdAt} />],
            ...(hasRows ? ([[t('filter'), <Said key="f" as="filter" of={of.filter} empty={t('everything')} />], [t('splitTitle'), <Said key="p" as="split" of={of.split} empty={t('splitDefault')} />]] as [string, ReactNode][]) : []),
            ...(of.tags && Object.keys(of.tags).length ? ([[t('tags'), <Said key="g" as="tags" of={of.tags} empty="–" />]] as [string, ReactNode][]) : []),
            ...(of.note ? ([[t('note'), of.note]] as [string, ReactNode][]) : []),
            [t('digest'), of.digest ? <span key="d" className="inline-flex flex-wrap items-center gap-1"><code title={of.digest}>{of.digest.slice(0, 16)}</code><CopyButton text={of.digest} /></span> : '–'],
          ]}
        />
        {of.status === 'building' && <div className="lg:col-span-2 flex flex-col gap-2"><Building of={of} onEnd={refetch} /></div>}
        {of.status === 'failed' && (
          <div role="alert" className="lg:col-span-2 flex gap-2">
            <Icon name="alert" className="text-bad shrink-0 mt-0.5" />
            <div className="min-w-0">
              <p className="text-bad break-words">{t('failedText')} {of.reason && <span lang="en">{of.reason}</span>}</p>
              {of.runId && <TextLink href={`/runs/${of.runId}`}>{t('toRun')}</TextLink>}
            </div>
          </div>
        )}
        {isReady && !hasRows && <p className="lg:col-span-2 text-muted flex gap-2"><Icon name="info" className="shrink-0 mt-0.5" />{t('noRowsHere')}</p>}
      </div>
      <Tabs label={t('parts')} tabs={tabs} />
    </>
  );
}

function Versions({ of }: { of: DatasetWhole }) {
  const t = useWords(words);
  const versions = useApi('/v1/datasets/{id}/versions', { path: { id: of.id } });
  const columns: Column<DatasetVersion>[] = [
    { id: 'version', title: t('version'), value: (v) => v.version, cell: (v) => (v.id === of.id ? <strong>{t('thisOne', { version: v.version })}</strong> : <TextLink href={hrefOf(v.id)}>{v.version}</TextLink>) },
    { id: 'state', title: t('state'), value: (v) => v.status, cell: (v) => <Status state={v.status} />, width: 140 },
    { id: 'rows', title: t('rows'), value: (v) => v.rows, cell: (v) => (v.rows ? <Num value={v.rows} /> : '–'), width: 120, align: 'right' },
    { id: 'made', title: t('made'), value: (v) => v.createdAt, cell: (v) => <Time at={v.createdAt} />, width: 190 },
  ];
  return <Shown of={versions}>{({ items }) => <DataTable name="dataset.versions" label={t('versions')} simple param="v" rows={items} rowKey={(v) => v.id} href={(v) => hrefOf(v.id)} columns={columns} />}</Shown>;
}
