/* The graph as SVG. It scrolls, also with the keys and by pulling its ground; arrows go from one thing to the next. */
import { useEffect, useMemo, useRef, useState, type KeyboardEvent, type PointerEvent } from 'react';
import { Link } from 'wouter';
import { useWords } from '../../i18n';
import { Button, Icon, IconButton, Loading } from '../../ui';
import { colours, icons, NODE_HEIGHT as HEIGHT, NODE_WIDTH as WIDTH, type Picture as Of, type Shown } from './graph';
import type { Place, Placed } from './layout';
import { useNames } from './names';
import { words } from './words';

const ZOOM_MIN = 0.2;
const ZOOM_MAX = 2;
const ZOOM_STEP = 1.25;
const ZOOM_READABLE = 0.65; // below, a part is better than all of it
const TITLE_CHARACTERS = 24;
const TEXT_CHARACTERS = 31;

const cut = (text: string, max: number) => (text.length > max ? `${text.slice(0, max - 1)}…` : text);

const fitting = (element: HTMLElement, of: Placed) => Math.min(1, Math.max(ZOOM_MIN, Math.min(element.clientWidth / of.width, element.clientHeight / of.height)));

/** Laid out anew when the graph has another shape, not with each answer. */
function usePlaced(of: Of): Placed | null {
  const [placed, setPlaced] = useState<{ shape: string; of: Placed } | null>(null);
  const shape = useMemo(() => `${of.nodes.map((n) => n.id).join()} ${of.lines.map((l) => `${l.from}>${l.to}`).join()}`, [of]);
  const latest = useRef(of);
  latest.current = of;
  useEffect(() => {
    let isGone = false;
    void import('./layout').then(({ place }) => !isGone && setPlaced({ shape, of: place(latest.current) }));
    return () => {
      isGone = true;
    };
  }, [shape]);
  return placed?.shape === shape ? placed.of : null;
}

/** The nearest in a direction; what lies straight ahead is nearer than what lies aside. */
function nearest(places: Map<string, Place>, from: string, key: string): string | null {
  const at = places.get(from);
  if (!at) return null;
  const ahead: Record<string, (p: Place) => [number, number]> = {
    ArrowRight: (p) => [p.x - at.x, p.y - at.y],
    ArrowLeft: (p) => [at.x - p.x, p.y - at.y],
    ArrowDown: (p) => [p.y - at.y, p.x - at.x],
    ArrowUp: (p) => [at.y - p.y, p.x - at.x],
  };
  const measure = ahead[key];
  if (!measure) return null;
  let best: string | null = null;
  let least = Infinity;
  for (const [id, place] of places) {
    const [forth, aside] = measure(place);
    const far = forth + 2 * Math.abs(aside);
    if (forth > 1 && far < least) [best, least] = [id, far];
  }
  return best;
}

export function Picture({ of, focus }: { of: Of; focus: string }) {
  const t = useWords(words);
  const placed = usePlaced(of);
  const scroller = useRef<HTMLDivElement>(null);
  const [zoom, setZoom] = useState(1);
  const pulled = useRef<{ x: number; y: number } | null>(null);

  // At first all of it, where that can be read; else what it is all about.
  useEffect(() => {
    const element = scroller.current;
    const at = placed?.places.get(focus);
    if (!element || !placed || !at) return;
    const all = fitting(element, placed);
    setZoom(all < ZOOM_READABLE ? 1 : all);
    element.scrollLeft = at.x + WIDTH / 2 - element.clientWidth / 2;
    element.scrollTop = at.y + HEIGHT / 2 - element.clientHeight / 2;
  }, [placed, focus]);

  if (!placed) return <Loading />;
  const scale = (by: number) => setZoom((z) => Math.min(ZOOM_MAX, Math.max(ZOOM_MIN, z * by)));
  const fit = () => {
    const element = scroller.current;
    if (element) setZoom(fitting(element, placed));
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const id = (event.target as Element).getAttribute('data-node');
    const to = id === null ? null : nearest(placed.places, id, event.key);
    if (to === null) return;
    event.preventDefault();
    scroller.current?.querySelector<SVGElement>(`[data-node="${CSS.escape(to)}"]`)?.focus();
  };
  const onPointerDown = (event: PointerEvent<HTMLDivElement>) => {
    if (event.pointerType !== 'mouse' || event.button !== 0 || (event.target as Element).closest('a')) return;
    pulled.current = { x: event.clientX, y: event.clientY };
    event.currentTarget.setPointerCapture(event.pointerId);
  };
  const onPointerMove = (event: PointerEvent<HTMLDivElement>) => {
    if (!pulled.current) return;
    event.currentTarget.scrollBy(pulled.current.x - event.clientX, pulled.current.y - event.clientY);
    pulled.current = { x: event.clientX, y: event.clientY };
  };
  // In reading order: the tab key goes from left to right.
  const ordered = [...of.nodes].sort((a, b) => {
    const [p, q] = [placed.places.get(a.id), placed.places.get(b.id)];
    return p && q ? p.x - q.x || p.y - q.y : 0;
  });
  return (
    <div className="flex flex-col gap-2">
      <div className="flex flex-wrap items-center gap-1">
        <IconButton icon="plus" label={t('zoomIn')} disabled={zoom >= ZOOM_MAX} onClick={() => scale(ZOOM_STEP)} />
        <button type="button" title={t('zoomOut')} aria-label={t('zoomOut')} disabled={zoom <= ZOOM_MIN} onClick={() => scale(1 / ZOOM_STEP)} className="inline-grid place-items-center size-8 rounded-md text-muted hover:text-text hover:bg-raised disabled:opacity-50">−</button>
        <Button look="quiet" onClick={fit}>{t('fit')}</Button>
        <Button look="quiet" onClick={() => setZoom(1)}>{t('full')}</Button>
        <span className="text-muted text-[0.86rem]">{t('keysHint')}</span>
      </div>
      <div
        ref={scroller}
        role="group"
        aria-label={t('picture')}
        tabIndex={0}
        onKeyDown={onKeyDown}
        onPointerDown={onPointerDown}
        onPointerMove={onPointerMove}
        onPointerUp={() => (pulled.current = null)}
        onPointerCancel={() => (pulled.current = null)}
        className="card grid overflow-auto min-h-48 h-[min(34rem,60dvh)] cursor-grab active:cursor-grabbing"
      >
        <svg width={placed.width * zoom} height={placed.height * zoom} viewBox={`0 0 ${placed.width} ${placed.height}`} className="block m-auto">
          <defs>
            <marker id="lineage-arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">
              <path d="M0,0 L8,4 L0,8 z" fill="var(--edge)" />
            </marker>
          </defs>
          <g aria-hidden="true" fill="none" stroke="var(--edge)" strokeWidth={1.5}>
            {placed.lines.map((line) => <path key={`${line.from} ${line.to}`} data-line={`${line.from} ${line.to}`} d={line.path} markerEnd="url(#lineage-arrow)" />)}
          </g>
          {ordered.map((n) => {
            const at = placed.places.get(n.id);
            return at && <Box key={n.id} of={n} at={at} isFocus={n.id === focus} />;
          })}
        </svg>
      </div>
      <Legend of={of} />
    </div>
  );
}

function Box({ of, at, isFocus }: { of: Shown; at: Place; isFocus: boolean }) {
  const names = useNames();
  const title = names.title(of);
  const text = names.text(of);
  const isBad = ['FAILED', 'KILLED', 'failed', 'deleted'].includes(of.node.status ?? of.node.state ?? '');
  return (
    <Link href={of.href} data-node={of.id} data-look={of.look} aria-current={isFocus ? 'true' : undefined} className="group cursor-pointer">
      <title>{names.whole(of)}</title>
      <rect x={at.x} y={at.y} width={WIDTH} height={HEIGHT} rx={8} fill={isFocus ? 'var(--raised)' : 'var(--surface)'} stroke={isFocus ? 'var(--lamp)' : isBad ? 'var(--bad)' : colours[of.look]} strokeWidth={isFocus ? 2.5 : 1.5} strokeDasharray={isBad ? '5 3' : undefined} className="group-hover:fill-raised" />
      <rect x={at.x} y={at.y + 10} width={4} height={HEIGHT - 20} rx={2} fill={colours[of.look]} />
      <Icon name={icons[of.look]} x={at.x + 13} y={at.y + 11} size={18} stroke={colours[of.look]} />
      <text aria-hidden="true" x={at.x + 39} y={at.y + 23} fill="var(--text)" fontSize={13} fontWeight={600}>{cut(title, TITLE_CHARACTERS)}</text>
      <text aria-hidden="true" x={at.x + 39} y={at.y + 41} fill={isBad ? 'var(--bad)' : 'var(--muted)'} fontSize={11}>{cut(text, TEXT_CHARACTERS)}</text>
    </Link>
  );
}

function Legend({ of }: { of: Of }) {
  const names = useNames();
  const looks = [...new Set(of.nodes.map((n) => n.look))];
  return (
    <ul className="flex flex-wrap gap-x-4 gap-y-1 text-muted text-[0.86rem]">
      {looks.map((look) => <li key={look} className="inline-flex items-center gap-1.5"><Icon name={icons[look]} stroke={colours[look]} />{names.look(look)}</li>)}
    </ul>
  );
}
