/* All runs: searched, sorted and paged by the server; chosen ones are compared. */
import { useEffect, useMemo, useRef, useState } from 'react';
import { Link } from 'wouter';
import { useParam } from '../../app/params';
import { useWords } from '../../i18n';
import { Button, DataTable, Dialog, Duration, EmptyState, ErrorState, IconButton, LinkButton, Loading, Num, Page, ProblemText, SelectField, Status, TextField, Time, type Column } from '../../ui';
import { rank } from '../../app/interest';
import { filterOf, isSortable, orderOf, useExperiments, useRunSearch, type RunRow } from './search';
import { words } from './words';

const TYPED_MS = 200;
const KEYS_MAX = 100; // columns of each kind
const METRICS_SHOWN = 3;
const COMPARED_MAX = 10;
const states = ['RUNNING', 'SCHEDULED', 'FINISHED', 'FAILED', 'KILLED'];

/** Follows a value when it has rested. */
function useRested<T>(value: T, ms: number): T {
  const [rested, setRested] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setRested(value), ms);
    return () => clearTimeout(timer);
  }, [value, ms]);
  return rested;
}

/** Names that runs have: by rank, then the most used ones first. They only ever grow, so that columns stay where they are. */
function useKeys(rows: readonly RunRow[], of: (row: RunRow) => object, rankOf: (key: string) => number): string[] {
  const known = useRef<string[]>([]);
  return useMemo(() => {
    const uses = new Map<string, number>();
    for (const row of rows) for (const key of Object.keys(of(row))) uses.set(key, (uses.get(key) ?? 0) + 1);
    const have = new Set(known.current);
    const fresh = [...uses].filter(([key]) => !have.has(key)).sort((a, b) => rankOf(a[0]) - rankOf(b[0]) || b[1] - a[1] || a[0].localeCompare(b[0]));
    if (fresh.length) known.current = [...known.current, ...fresh.map(([key]) => key)].slice(0, KEYS_MAX);
    return known.current;
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [rows]);
}

const METRIC_PX = 110;
const metricsOf = (row: RunRow) => row.metrics;
const alike = () => 0;
const paramsOf = (row: RunRow) => row.params;

export default function Runs() {
  const t = useWords(words);
  const { experiments, error } = useExperiments();
  const [text, setText] = useParam('q');
  const [status, setStatus] = useParam('status');
  const [experiment, setExperiment] = useParam('experiment');
  const [sort] = useParam('sort', '-start');
  const [selected, setSelected] = useState<Set<string>>(new Set());
  const [isHelpOpen, setHelpOpen] = useState(false);
  const filter = filterOf(useRested(text, TYPED_MS), status);
  const search = experiments && { experiments: experiment ? [experiment] : experiments.map((e) => e.id), filter, order: orderOf(sort) };
  const found = useRunSearch(search);
  const metricKeys = useKeys(found.rows, metricsOf, rank);
  const paramKeys = useKeys(found.rows, paramsOf, alike);

  const columns = useMemo<Column<RunRow>[]>(() => {
    const nameOf = new Map(experiments?.map((e) => [e.id, e.name]));
    return [
      { id: 'name', title: t('name'), value: (r) => r.name || r.id, cell: (r) => <Link href={`/runs/${r.id}`} tabIndex={-1} className="font-medium hover:underline">{r.name || r.id}</Link>, width: 230 },
      { id: 'status', title: t('state'), value: (r) => r.status, cell: (r) => <Status state={r.status} />, width: 120 },
      { id: 'start', title: t('started'), value: (r) => (r.start ? new Date(r.start).toISOString() : null), cell: (r) => <Time at={r.start} ago />, width: 120, align: 'right' },
      { id: 'took', title: t('took'), value: (r) => (r.start && r.end ? (r.end - r.start) / 1000 : null), cell: (r) => (r.start && (r.end || r.status === 'RUNNING') ? <Duration from={r.start} to={r.end} /> : '–'), width: 90, align: 'right' },
      ...metricKeys.map((key, i): Column<RunRow> => ({ id: `m:${key}`, title: key, value: (r) => r.metrics[key], cell: (r) => <Num value={r.metrics[key]} />, width: METRIC_PX, align: 'right', hidden: i >= METRICS_SHOWN })),
      ...paramKeys.map((key): Column<RunRow> => ({ id: `p:${key}`, title: key, value: (r) => r.params[key], width: 130, hidden: true })),
      { id: 'experiment', title: t('experiment'), value: (r) => nameOf.get(r.experiment) ?? r.experiment, width: 140, hidden: nameOf.size < 2 },
      { id: 'user', title: t('user'), value: (r) => r.user, width: 110 },
      { id: 'end', title: t('ended'), value: (r) => (r.end ? new Date(r.end).toISOString() : null), cell: (r) => <Time at={r.end} ago />, width: 120, align: 'right', hidden: true },
      { id: 'id', title: t('id'), value: (r) => r.id, cell: (r) => <code>{r.id}</code>, width: 270, hidden: true },
    ];
  }, [experiments, metricKeys, paramKeys, t]);

  const isFiltered = text !== '' || status !== '' || experiment !== '';
  const chosen = [...selected].slice(0, COMPARED_MAX);
  return (
    <Page title={t('title')} actions={<LinkButton needs="POST /v1/trainings" look="primary" icon="plus" href="/runs/new">{t('newTraining')}</LinkButton>}>
      <div className="flex flex-wrap items-start gap-2">
        <div className="grow basis-72 max-w-3xl flex gap-1">
          <div className="grow">
            <TextField label={t('filter')} hideLabel type="search" spellCheck={false} autoComplete="off" placeholder={t('filterHint')} value={text} onChange={setText} error={isFiltered && found.error ? <ProblemText error={found.error} /> : null} />
          </div>
          <IconButton icon="help" label={t('filterHelp')} onClick={() => setHelpOpen(true)} />
        </div>
        <SelectField label={t('state')} hideLabel value={status} onChange={setStatus} options={[{ value: '', label: t('anyState') }, ...states.map((s) => ({ value: s, label: t(s as 'RUNNING') }))]} />
        <SelectField label={t('experiment')} hideLabel value={experiment} onChange={setExperiment} options={[{ value: '', label: t('anyExperiment') }, ...(experiments ?? []).map((e) => ({ value: e.id, label: e.name }))]} />
      </div>
      {error ? (
        <ErrorState error={error} />
      ) : found.isFirst ? (
        <Loading />
      ) : found.error && !isFiltered && found.rows.length === 0 ? (
        <ErrorState error={found.error} />
      ) : (
        <div data-asking={found.asking}>
          <DataTable
            name="runs"
            label={t('title')}
            rows={found.rows}
            columns={columns}
            rowKey={(r) => r.id}
            href={(r) => `/runs/${r.id}`}
            sort="-start"
            selected={selected}
            onSelect={setSelected}
            height={Math.max(360, window.innerHeight - 250)}
            remote={{ more: found.more, onEnd: found.onEnd, all: found.all, sortable: isSortable }}
            actions={
              chosen.length >= 2 ? (
                <LinkButton look="primary" href={`/runs/compare?runs=${chosen.join(',')}`}>{t('compare', { n: chosen.length })}</LinkButton>
              ) : (
                <Button look="primary" disabled title={t('compareHint')}>{t('compareNone')}</Button>
              )
            }
            empty={
              isFiltered ? (
                <EmptyState icon="search" title={t('noneFound')} action={<LinkButton href="/runs">{t('allRuns')}</LinkButton>}>{t('noneFoundNext')}</EmptyState>
              ) : (
                <EmptyState icon="runs" title={t('none')} action={<LinkButton needs="POST /v1/trainings" look="primary" icon="plus" href="/runs/new">{t('newTraining')}</LinkButton>}>{t('noneNext', { origin: location.origin })}</EmptyState>
              )
            }
          />
        </div>
      )}
      <FilterHelp open={isHelpOpen} onClose={() => setHelpOpen(false)} use={(example) => { setText(example); setHelpOpen(false); }} />
    </Page>
  );
}

const examples = [
  ['metrics.loss < 0.5', 'exampleMetric'],
  ["params.rate = '0.01' AND attributes.status = 'FINISHED'", 'exampleParam'],
  ["attributes.run_name ILIKE '%import%'", 'exampleName'],
  ["tags.`mlflow.source.name` = 'train.py'", 'exampleTag'],
  ["attributes.user_id != 'system'", 'exampleUser'],
] as const;

function FilterHelp({ open, onClose, use }: { open: boolean; onClose: () => void; use: (example: string) => void }) {
  const t = useWords(words);
  return (
    <Dialog open={open} onClose={onClose} title={t('filterHelp')} wide>
      <p className="mb-3">{t('filterText')}</p>
      <ul className="flex flex-col gap-2">
        {examples.map(([example, meaning]) => (
          <li key={example}>
            <button type="button" onClick={() => use(example)} className="text-left text-accent underline underline-offset-2"><code>{example}</code></button>
            <p className="text-muted">{t(meaning)}</p>
          </li>
        ))}
      </ul>
    </Dialog>
  );
}
