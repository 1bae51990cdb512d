/* The moves of a game, two in a line; each is a button that shows its position, where `onPick` is given. */
import { useEffect, useRef } from 'react';

export interface ListedMove {
  ply: number; // from 1
  san: string;
  note?: string; // a clock, an evaluation
}

export function Moves({ moves, at, onPick, label, empty }: { moves: readonly ListedMove[]; at: number; onPick?: (ply: number) => void; label: string; empty: string }) {
  const list = useRef<HTMLOListElement>(null);
  useEffect(() => {
    const box = list.current;
    const here = box?.querySelector<HTMLElement>(`[data-ply="${at}"]`);
    // Only the list scrolls; scrollIntoView would move the page, too.
    if (box && here) box.scrollTop = here.offsetTop - box.offsetTop - box.clientHeight / 2;
  }, [at, moves.length]);
  const pairs: ListedMove[][] = [];
  for (const move of moves) {
    const line = Math.floor((move.ply - 1) / 2);
    (pairs[line] ??= []).push(move);
  }
  if (moves.length === 0) return <p className="text-muted py-1">{empty}</p>;
  return (
    <ol ref={list} tabIndex={0} aria-label={label} className="max-h-56 overflow-y-auto">
      {pairs.map((pair, line) => (
        <li key={line} className="grid grid-cols-[2.2rem_1fr_1fr] items-center">
          <span className="text-muted text-right pr-2">{line + 1}.</span>
          {pair.map((move) => {
            const look = `text-left rounded px-2 min-h-7 flex items-center gap-2 ${move.ply % 2 === 0 && pair.length === 1 ? 'col-start-3' : ''} ${move.ply === at ? 'bg-raised font-semibold' : ''}`;
            const inside = (
              <>
                <span>{move.san}</span>
                {move.note && <span className="text-muted text-[0.86rem] font-normal">{move.note}</span>}
              </>
            );
            return onPick ? (
              <button key={move.ply} type="button" data-ply={move.ply} aria-current={move.ply === at ? 'step' : undefined} onClick={() => onPick(move.ply)} className={`${look} hover:bg-raised`}>{inside}</button>
            ) : (
              <span key={move.ply} data-ply={move.ply} className={look}>{inside}</span>
            );
          })}
        </li>
      ))}
    </ol>
  );
}
