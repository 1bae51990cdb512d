/* Where a dataset came from, and what was made of it. */
import { useApi } from '../../api/useApi';
import { useWords } from '../../i18n';
import { DataTable, EmptyState, LinkButton, Num, Section, Shown, Status, TextLink, Time, type Column } from '../../ui';
import type { Lineage, LineageNode } from '../lineage/types';
import type { DatasetWhole, Import } from './types';
import { words } from './words';

export function Origin({ of }: { of: DatasetWhole }) {
  // Two steps away are the runs that read it, and what they made.
  const graph = useApi('/v1/lineage/{id}', { path: { id: of.id }, query: { depth: 2 } }, { poll: 5000 });
  return (
    <div className="flex flex-col gap-5">
      {of.formats.length > 0 && of.status === 'ready' && <Imports of={of} />}
      <Shown of={graph}>{(g) => <Used of={of} graph={g} />}</Shown>
    </div>
  );
}

function Imports({ of }: { of: DatasetWhole }) {
  const t = useWords(words);
  const imports = useApi('/v1/datasets/{id}/ingest/history', { path: { id: of.id } });
  const columns: Column<Import>[] = [
    { id: 'source', title: t('source'), value: (i) => i.source || i.runId, cell: (i) => <TextLink href={`/runs/${i.runId}`}>{i.source || i.runId}</TextLink> },
    { id: 'games', title: t('s_games'), value: (i) => i.games, cell: (i) => <Num value={i.games} />, width: 110, align: 'right' },
    { id: 'user', title: t('user'), value: (i) => i.user, width: 150 },
    { id: 'note', title: t('note'), value: (i) => i.note || null, width: 180 },
    { id: 'at', title: t('at'), value: (i) => i.at, cell: (i) => <Time at={i.at} />, width: 190 },
  ];
  return (
    <Section title={t('imports')} card={false}>
      <Shown of={imports}>{({ items }) => <DataTable name="dataset.imports" label={t('imports')} simple param="i" rows={items} rowKey={(i) => i.runId} href={(i) => `/runs/${i.runId}`} columns={columns} empty={<EmptyState title={t('noImports')} />} />}</Shown>
    </Section>
  );
}

interface Use {
  run: LineageNode;
  context: string;
  models: LineageNode[];
}

/** The runs that read it, newest first, each with the models that it made. */
function usesOf(id: string, graph: Lineage): Use[] {
  const nodes = new Map(graph.nodes.map((n) => [n.id, n]));
  return graph.edges
    .filter((edge) => edge.from === id)
    .flatMap((edge) => {
      const run = nodes.get(edge.to);
      const models = graph.edges.filter((e) => e.from === edge.to).flatMap((e) => nodes.get(e.to) ?? []).filter((n) => n.type === 'model');
      return run ? [{ run, context: edge.context, models }] : [];
    })
    .sort((a, b) => (b.run.startedAt ?? '').localeCompare(a.run.startedAt ?? ''));
}

function Used({ of, graph }: { of: DatasetWhole; graph: Lineage }) {
  const t = useWords(words);
  const uses = usesOf(of.id, graph);
  const columns: Column<Use>[] = [
    { id: 'run', title: t('run'), value: (u) => u.run.name, cell: (u) => <TextLink href={`/runs/${u.run.id}`}>{u.run.name}</TextLink> },
    { id: 'context', title: t('usedFor'), value: (u) => u.context || u.run.component, width: 150 },
    { id: 'state', title: t('state'), value: (u) => u.run.status, cell: (u) => <Status state={u.run.status ?? ''} />, width: 140 },
    {
      id: 'models',
      title: t('modelsMade'),
      value: (u) => u.models.map((m) => `${m.name} ${m.version}`).join(', '),
      cell: (u) => (u.models.length ? u.models.map((m, i) => <span key={m.id}>{i > 0 && ', '}<TextLink href={`/models/${encodeURIComponent(m.name)}`}>{m.name} {m.version}</TextLink>{m.aliases && ` (${m.aliases})`}</span>) : '–'),
      width: 260,
    },
    { id: 'at', title: t('at'), value: (u) => u.run.startedAt, cell: (u) => <Time at={u.run.startedAt} />, width: 190 },
  ];
  return (
    <>
      <Section title={t('uses')} card={false} actions={<LinkButton icon="lineage" href={`/lineage/${of.id}`}>{t('lineage')}</LinkButton>}>
        <DataTable name="dataset.uses" label={t('uses')} simple param="u" rows={uses} rowKey={(u) => `${u.run.id} ${u.context}`} href={(u) => `/runs/${u.run.id}`} columns={columns} empty={<EmptyState icon="runs" title={t('noUses')}>{of.formats.length > 0 ? t('noUsesNext', { name: of.name }) : undefined}</EmptyState>} />
      </Section>
      {of.runId && <p>{t('builtBy')} <TextLink href={`/runs/${of.runId}`}>{graph.nodes.find((n) => n.id === of.runId)?.name ?? of.runId}</TextLink></p>}
    </>
  );
}
