/* Board: a position, what may be moved, and arrows. Drawn by chessground, which is loaded with the first board of a page.
 *
 *   <Board fen={fen} label={t('boardLabel')} legal={legal} onMove={play} arrows={arrows} />
 *
 * For those who do not see it, its `label` says what it is; the page around it says the position in words and takes moves as text.
 */
import type { Api } from 'chessground/api';
import type { DrawShape } from 'chessground/draw';
import type { Key } from 'chessground/types';
import { useEffect, useMemo, useRef, useState } from 'react';
import { useStore } from '../app/store';
import { theme, token } from '../app/theme';

export type Colour = 'white' | 'black';

export interface Arrow {
  uci: string;
  share: number; // 0 to 1: how broad
  look?: 'policy' | 'played';
}

export interface BoardProps {
  fen: string;
  label: string;
  orientation?: Colour;
  lastMove?: string; // UCI
  check?: boolean;
  legal?: readonly string[]; // UCI; without them nothing can be moved
  onMove?: (from: string, to: string) => void;
  arrows?: readonly Arrow[];
}

const turnOf = (fen: string): Colour => (fen.split(' ')[1] === 'b' ? 'black' : 'white');

function squares(uci: string): [Key, Key] {
  return [uci.slice(0, 2) as Key, uci.slice(2, 4) as Key];
}

function destsOf(legal: readonly string[]): Map<Key, Key[]> {
  const dests = new Map<Key, Key[]>();
  for (const uci of legal) {
    const [from, to] = squares(uci);
    dests.set(from, [...(dests.get(from) ?? []), to]);
  }
  return dests;
}

function shapesOf(arrows: readonly Arrow[]): DrawShape[] {
  return arrows.map((arrow) => {
    const [orig, dest] = squares(arrow.uci);
    return { orig, dest, brush: arrow.look === 'played' ? 'yellow' : 'blue', modifiers: { lineWidth: 3 + 11 * Math.sqrt(arrow.share) } };
  });
}

const brushes = () => ({
  green: { key: 'g', color: token('good'), opacity: 1, lineWidth: 10 },
  red: { key: 'r', color: token('bad'), opacity: 1, lineWidth: 10 },
  blue: { key: 'b', color: '#0a4f8f', opacity: 1, lineWidth: 10 },
  yellow: { key: 'y', color: '#8a4a00', opacity: 1, lineWidth: 10 },
});

export function Board({ fen, label, orientation = 'white', lastMove, check, legal, onMove, arrows }: BoardProps) {
  const holder = useRef<HTMLDivElement>(null);
  const [ground, setGround] = useState<Api | null>(null);
  const moved = useRef(onMove);
  moved.current = onMove;
  const colours = useStore(theme);
  const dests = useMemo(() => destsOf(legal ?? []), [legal]);
  const shapes = useMemo(() => shapesOf(arrows ?? []), [arrows]);

  useEffect(() => {
    let made: Api | undefined;
    let isGone = false;
    void import('./ground').then(({ Chessground }) => {
      if (isGone || !holder.current) return;
      made = Chessground(holder.current, {
        coordinates: true,
        animation: { enabled: !matchMedia('(prefers-reduced-motion: reduce)').matches, duration: 180 },
        drawable: { enabled: false, visible: true, brushes: brushes() },
        premovable: { enabled: false },
        movable: { free: false, showDests: true, events: { after: (from, to) => moved.current?.(from, to) } },
      });
      setGround(made);
    });
    return () => {
      isGone = true;
      made?.destroy();
    };
  }, []);

  useEffect(() => {
    const turn = turnOf(fen);
    ground?.set({
      fen,
      orientation,
      turnColor: turn,
      check: check ? turn : false,
      lastMove: lastMove ? squares(lastMove) : [],
      movable: { color: dests.size > 0 ? turn : undefined, dests },
    });
  }, [ground, fen, orientation, lastMove, check, dests]);

  useEffect(() => {
    ground?.setAutoShapes(shapes);
  }, [ground, shapes, colours]);

  return (
    <div role="img" aria-label={label} data-fen={fen} data-ready={ground !== null} className={`w-full aspect-square rounded-md ${ground ? '' : 'bg-raised'}`}>
      <div ref={holder} className="cg-wrap" />
    </div>
  );
}
