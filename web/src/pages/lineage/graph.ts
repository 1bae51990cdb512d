/* What lineage answers as the picture shows it: with what a model answers at the end, and only the line of one thing where that
 * is wanted. */
import type { ActiveModel } from '../../api/types';
import type { IconName } from '../../ui';
import type { Lineage, LineageNode } from './types';

export const NODE_WIDTH = 240;
export const NODE_HEIGHT = 54;

export type Look = 'import' | 'run' | 'dataset' | 'model' | 'predictions';

export interface Shown {
  id: string;
  look: Look;
  node: LineageNode;
  href: string;
  aliases: string; // of predictions: what they are asked as
}
export interface Line {
  from: string;
  to: string;
  context: string;
}
export interface Picture {
  nodes: Shown[];
  lines: Line[];
}

export const icons: Record<Look, IconName> = { import: 'upload', run: 'runs', dataset: 'datasets', model: 'models', predictions: 'play' };
export const colours: Record<Look, string> = { import: 'var(--chart-8)', run: 'var(--chart-7)', dataset: 'var(--chart-1)', model: 'var(--chart-2)', predictions: 'var(--chart-4)' };

export const timeOf = (node: LineageNode) => node.startedAt ?? node.createdAt ?? '';

/** Where a thing has its own page. */
export function hrefOf(node: LineageNode): string {
  if (node.type === 'run') return `/runs/${encodeURIComponent(node.id)}`;
  if (node.type === 'dataset') return `/datasets/${encodeURIComponent(node.id)}`;
  return `/models/${encodeURIComponent(node.name)}`;
}

export function pictureOf(lineage: Lineage, active: ActiveModel[]): Picture {
  const nodes: Shown[] = lineage.nodes.map((node) => ({
    id: node.id,
    look: node.type === 'run' ? (node.component === 'ingest' ? 'import' : 'run') : node.type,
    node,
    href: hrefOf(node),
    aliases: '',
  }));
  const lines: Line[] = lineage.edges.map(({ from, to, context }) => ({ from, to, context }));
  for (const node of lineage.nodes) {
    if (node.type !== 'model' || !node.version) continue;
    // "name@3" is a version that was loaded to be asked by its number, as evaluations do.
    const serves = active.filter((m) => m.modelId === node.name && String(m.modelVersion) === node.version && !m.alias?.includes('@'));
    if (serves.length === 0) continue;
    const id = `predictions of ${node.id}`;
    nodes.push({ id, look: 'predictions', node, href: hrefOf(node), aliases: serves.map((m) => m.alias).filter(Boolean).join(', ') });
    lines.push({ from: node.id, to: id, context: '' });
  }
  return { nodes, lines };
}

/** What led to a thing, and what came of it; nothing beside that. */
export function lineOf(picture: Picture, id: string): Picture {
  const wanted = new Set<string>();
  const walk = (start: string, from: 'from' | 'to', to: 'from' | 'to') => {
    const next = new Map<string, string[]>();
    for (const line of picture.lines) next.set(line[from], [...(next.get(line[from]) ?? []), line[to]]);
    const seen = new Set([start]);
    for (const at of seen) {
      wanted.add(at);
      for (const neighbour of next.get(at) ?? []) seen.add(neighbour);
    }
  };
  walk(id, 'from', 'to');
  walk(id, 'to', 'from');
  return { nodes: picture.nodes.filter((n) => wanted.has(n.id)), lines: picture.lines.filter((l) => wanted.has(l.from) && wanted.has(l.to)) };
}

/** How many steps each thing lies from a source, at most: the order in which things were made. */
export function stepsOf(picture: Picture): Map<string, number> {
  const before = new Map<string, string[]>();
  for (const line of picture.lines) before.set(line.to, [...(before.get(line.to) ?? []), line.from]);
  const steps = new Map<string, number>();
  const count = (id: string): number => {
    const known = steps.get(id);
    if (known !== undefined) return known;
    steps.set(id, 0); // a run that reads what it made ends here
    const n = Math.max(-1, ...(before.get(id) ?? []).map(count)) + 1;
    steps.set(id, n);
    return n;
  };
  for (const node of picture.nodes) count(node.id);
  return steps;
}
