/* Where everything stands, from left to right, by dagre; too many things for that stand in plain columns. Loaded
 * with the first picture. */
import { Graph, layout } from '@dagrejs/dagre';
import { NODE_HEIGHT, NODE_WIDTH, stepsOf, type Line, type Picture } from './graph';

// Up to these dagre takes a tenth of a second, on a slow machine one; with ten times as many it would take minutes.
const CAREFUL_NODES = 100;
const CAREFUL_LINES = 160;
const COLUMN_GAP = 56;
const ROW_GAP = 18;
const MARGIN = 16;

export interface Place {
  x: number; // of the left upper corner
  y: number;
}
export interface Placed {
  width: number;
  height: number;
  places: Map<string, Place>;
  lines: { from: string; to: string; path: string }[];
}

interface Point {
  x: number;
  y: number;
}

/** From the right side of one to the left side of the other; straight on where it passes a column, so that it crosses no box. */
function pathOf(from: Place, to: Place, between: Point[]): string {
  let last = { x: from.x + NODE_WIDTH, y: from.y + NODE_HEIGHT / 2 };
  let path = `M${last.x},${last.y}`;
  const curve = (point: Point) => {
    const middle = (last.x + point.x) / 2;
    path += `C${middle},${last.y} ${middle},${point.y} ${point.x},${point.y}`;
    last = point;
  };
  for (const { x, y } of between) {
    curve({ x: x - NODE_WIDTH / 2, y });
    path += `H${x + NODE_WIDTH / 2}`;
    last = { x: x + NODE_WIDTH / 2, y };
  }
  curve({ x: to.x, y: to.y + NODE_HEIGHT / 2 });
  return path;
}

function placeCarefully(picture: Picture): Omit<Placed, 'lines'> & { between: (line: Line) => Point[] } {
  const graph = new Graph();
  graph.setGraph({ rankdir: 'LR', nodesep: ROW_GAP, ranksep: COLUMN_GAP, marginx: MARGIN, marginy: MARGIN });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const node of picture.nodes) graph.setNode(node.id, { width: NODE_WIDTH, height: NODE_HEIGHT });
  for (const line of picture.lines) graph.setEdge(line.from, line.to);
  layout(graph);
  const places = new Map<string, Place>();
  for (const id of graph.nodes()) {
    const { x = 0, y = 0 } = graph.node(id) as { x?: number; y?: number };
    places.set(id, { x: x - NODE_WIDTH / 2, y: y - NODE_HEIGHT / 2 });
  }
  const columns = new Set([...places.values()].map((p) => Math.round(p.x + NODE_WIDTH / 2)));
  const { width = 0, height = 0 } = graph.graph() as { width?: number; height?: number };
  const between = ({ from, to }: Line) => {
    const [left, right] = [places.get(from)!.x + NODE_WIDTH, places.get(to)!.x];
    const { points = [] } = graph.edge(from, to) as { points?: Point[] };
    // The first and the last lie on the boxes; between columns there are more.
    return points.slice(1, -1).filter((p) => columns.has(Math.round(p.x)) && p.x > left && p.x < right);
  };
  return { width, height, places, between };
}

/** In columns by steps; in a column, each as near as can be to what it was made from. */
function placeQuickly(picture: Picture): Omit<Placed, 'lines'> {
  const steps = stepsOf(picture);
  const before = new Map<string, string[]>();
  for (const line of picture.lines) before.set(line.to, [...(before.get(line.to) ?? []), line.from]);
  const columns: string[][] = [];
  for (const { id } of picture.nodes) (columns[steps.get(id) ?? 0] ??= []).push(id);
  const places = new Map<string, Place>();
  const most = Math.max(...columns.map((column) => column.length));
  columns.forEach((column, i) => {
    const wish = (id: string) => {
      const made = (before.get(id) ?? []).flatMap((from) => places.get(from)?.y ?? []);
      return made.length ? made.reduce((sum, y) => sum + y, 0) / made.length : 0;
    };
    const wishes = new Map(column.map((id) => [id, wish(id)]));
    const top = MARGIN + ((most - column.length) * (NODE_HEIGHT + ROW_GAP)) / 2;
    column
      .sort((a, b) => wishes.get(a)! - wishes.get(b)!)
      .forEach((id, row) => places.set(id, { x: MARGIN + i * (NODE_WIDTH + COLUMN_GAP), y: top + row * (NODE_HEIGHT + ROW_GAP) }));
  });
  return { width: 2 * MARGIN + columns.length * (NODE_WIDTH + COLUMN_GAP) - COLUMN_GAP, height: 2 * MARGIN + most * (NODE_HEIGHT + ROW_GAP) - ROW_GAP, places };
}

export function place(picture: Picture): Placed {
  // The same two may be joined more than once: read for training and for a test.
  const lines = [...new Map(picture.lines.map((line) => [`${line.from} ${line.to}`, line])).values()];
  const isSmall = picture.nodes.length <= CAREFUL_NODES && lines.length <= CAREFUL_LINES;
  const placed = isSmall ? placeCarefully(picture) : { ...placeQuickly(picture), between: () => [] };
  const { places, width, height, between } = placed;
  return { places, width, height, lines: lines.map((line) => ({ from: line.from, to: line.to, path: pathOf(places.get(line.from)!, places.get(line.to)!, between(line)) })) };
}
