/* Everything between a source and a prediction: what led to one thing, and what came of it, as a picture and as a table. */
import { useMemo } from 'react';
import { useApi } from '../../api/useApi';
import { useLastPart, useParam } from '../../app/params';
import { useWords } from '../../i18n';
import { CheckField, DataTable, Icon, LinkButton, Page, Section, SelectField, Shown as Answer, Status, TextLink, Time, type Column } from '../../ui';
import { colours, hrefOf, icons, lineOf, pictureOf, stepsOf, timeOf, type Picture as Of, type Shown } from './graph';
import { useNames } from './names';
import { Picture } from './Picture';
import type { Lineage as Graph } from './types';
import { words } from './words';

const DEPTHS = ['2', '4', '6', '10'];

export default function Lineage() {
  const t = useWords(words);
  const id = useLastPart();
  const [depth, setDepth] = useParam('depth', '6');
  const [near, setNear] = useParam('near');
  const lineage = useApi('/v1/lineage/{id}', { path: { id }, query: { depth: Number(depth) || 6 } }, { poll: 5000 });
  const active = useApi('/v1/models/active', {}, { poll: 10000 });
  const start = lineage.data?.nodes.find((n) => n.id === id);
  const name = start ? [start.name, start.version].filter(Boolean).join('@') : id;
  const all = useMemo(() => (lineage.data ? pictureOf(lineage.data, active.data?.items ?? []) : null), [lineage.data, active.data]);
  const picture = useMemo(() => (all && (near ? all : lineOf(all, id))), [all, near, id]);
  return (
    <Page title={t('of', { name })} crumbs={[{ title: t('title'), href: '/lineage' }]} actions={start && <LinkButton icon={start.type === 'run' ? 'runs' : start.type === 'dataset' ? 'datasets' : 'models'} href={hrefOf(start)}>{t(`open_${start.type}`)}</LinkButton>}>
      <div className="flex flex-wrap items-end gap-x-6 gap-y-2">
        <div className="w-44"><SelectField label={t('depth')} value={depth} onChange={setDepth} options={DEPTHS.map((d) => ({ value: d, label: t('steps', { n: d }) }))} /></div>
        <CheckField label={t('near')} value={near !== ''} onChange={(on) => setNear(on ? '1' : '')} />
      </div>
      <Answer of={lineage}>{(graph) => <Whole graph={graph} picture={picture!} focus={id} />}</Answer>
    </Page>
  );
}

function Whole({ graph, picture, focus }: { graph: Graph; picture: Of; focus: string }) {
  const t = useWords(words);
  return (
    <>
      {graph.truncated && <p className="flex gap-2 text-warn"><Icon name="alert" className="shrink-0 mt-0.5" />{t('truncated')}</p>}
      {picture.nodes.length === 1 && <p className="text-muted">{t('alone')}</p>}
      <Picture of={picture} focus={focus} />
      <Things picture={picture} focus={focus} />
    </>
  );
}

interface Row extends Shown {
  from: Shown[];
  to: Shown[];
}

/** The same as a table, sources first: for screen readers, for phones, and to go on from anything in it. */
function Things({ picture, focus }: { picture: Of; focus: string }) {
  const t = useWords(words);
  const names = useNames();
  const rows = useMemo(() => {
    const steps = stepsOf(picture);
    const byId = new Map(picture.nodes.map((n) => [n.id, n]));
    const find = (ids: string[]) => [...new Set(ids)].flatMap((id) => byId.get(id) ?? []);
    return picture.nodes
      .map((n): Row => ({ ...n, from: find(picture.lines.filter((l) => l.to === n.id).map((l) => l.from)), to: find(picture.lines.filter((l) => l.from === n.id).map((l) => l.to)) }))
      .sort((a, b) => (steps.get(a.id) ?? 0) - (steps.get(b.id) ?? 0) || timeOf(a.node).localeCompare(timeOf(b.node)));
  }, [picture]);
  const listOf = (of: Shown[]) => of.map((n) => names.title(n)).join(', ') || '–';
  const columns: Column<Row>[] = [
    { id: 'look', title: t('kind'), value: (n) => names.look(n.look), cell: (n) => <span className="inline-flex items-center gap-2"><Icon name={icons[n.look]} stroke={colours[n.look]} />{names.look(n.look)}</span>, width: 120 },
    { id: 'name', title: t('name'), value: (n) => names.title(n), cell: (n) => <span className={n.id === focus ? 'font-semibold' : ''}><TextLink href={n.href}>{names.title(n)}</TextLink></span>, width: 190 },
    { id: 'text', title: t('about'), value: (n) => names.text(n), width: 165 },
    { id: 'state', title: t('state'), value: (n) => n.node.status ?? n.node.state, cell: (n) => (n.look === 'predictions' ? <Status state="loaded" /> : <Status state={n.node.status ?? n.node.state ?? ''} />), width: 120 },
    { id: 'from', title: t('from'), value: (n) => listOf(n.from), cell: (n) => <span title={listOf(n.from)}>{listOf(n.from)}</span>, width: 150 },
    { id: 'to', title: t('to'), value: (n) => listOf(n.to), cell: (n) => <span title={listOf(n.to)}>{listOf(n.to)}</span>, width: 150 },
    { id: 'at', title: t('at'), value: (n) => timeOf(n.node), cell: (n) => (n.look === 'predictions' ? '–' : <Time at={timeOf(n.node)} ago />), width: 115, rank: 2 },
    { id: 'lineage', title: t('title'), value: () => '', cell: (n) => (n.look === 'predictions' || n.id === focus ? '–' : <TextLink href={`/lineage/${encodeURIComponent(n.id)}`} label={t('fromHereOf', { name: names.title(n) })}>{t('fromHere')}</TextLink>), width: 110, rank: 0, exported: false },
  ];
  return (
    <Section title={t('asTable')} card={false}>
      <DataTable name="lineage" label={t('asTable')} rows={rows} rowKey={(n) => n.id} href={(n) => n.href} columns={columns} />
    </Section>
  );
}
