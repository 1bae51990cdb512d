/* Columns of a table: which are shown, how wide they are, and which give way where there is no room for all. */
import { useState, type ReactNode } from 'react';
import { remember, remembered } from '../app/memory';

export type CellValue = string | number | boolean | null | undefined;

export interface Column<Row> {
  id: string;
  title: string;
  value: (row: Row) => CellValue; // what is sorted, filtered and exported
  cell?: (row: Row) => ReactNode; // what is shown; else the value
  width?: number; // pixels; columns without share what is left
  align?: 'right';
  hidden?: boolean; // not shown until chosen
  rank?: number; // where there is no room, the highest go first, and of these the last; 0 stays, 1 is usual
  exported?: boolean; // true: in the CSV although it is hidden; false: never, such as buttons
  mark?: ReactNode; // before the title: decoration
}

// Columns without a width have as much where the table may scroll, and at least as much where it is to fit.
const FREE_PX = 180;
const LEAST_PX = 120;
// Narrower than this, a phone: nothing is left out there, and the table scrolls sideways.
const NARROW_PX = 640;
// Beside the words of a heading: room on both sides, and the arrow of the order.
const HEAD_EXTRA_PX = 24 + 18;
const MARK_PX = 14;

const headWidths = new Map<string, number>();

/** Learns how wide headings are from those that are drawn, so that they are whole in any language. True when one was new. Not from a
 * canvas: the first one that a page makes costs it tens of milliseconds. */
export function learnHeads(table: HTMLElement, shown: { title: string }[]): boolean {
  if (shown.every((c) => headWidths.has(c.title))) return false;
  const known = headWidths.size;
  for (const head of table.querySelectorAll<HTMLElement>('[data-head]'))
    if (head.scrollWidth > 0) headWidths.set(head.dataset.head!, head.scrollWidth + 1); // which is rounded
  return headWidths.size > known;
}

export function widthOf<Row>(c: Column<Row>, free: number): number {
  return Math.max(c.width ?? free, (headWidths.get(c.title) ?? 0) + HEAD_EXTRA_PX + (c.mark ? MARK_PX : 0));
}

const sumOf = <Row,>(columns: Column<Row>[], free: number) => columns.reduce((sum, c) => sum + widthOf(c, free), 0);

/** Those that have room, and how wide they are together at least. `room` 0: nobody knows yet. */
function fitting<Row>(columns: Column<Row>[], room: number, mayLeave: boolean): { fit: Column<Row>[]; least: number } {
  if (room < NARROW_PX) return { fit: columns, least: room === 0 ? 0 : sumOf(columns, FREE_PX) };
  const fit = [...columns];
  while (mayLeave && sumOf(fit, LEAST_PX) > room) {
    let goes = -1;
    for (let i = 1; i < fit.length; i++) if ((fit[i]!.rank ?? 1) > 0 && (goes < 0 || (fit[i]!.rank ?? 1) >= (fit[goes]!.rank ?? 1))) goes = i;
    if (goes < 0) break;
    fit.splice(goes, 1);
  }
  return { fit, least: Math.min(sumOf(fit, FREE_PX), Math.max(room, sumOf(fit, LEAST_PX))) };
}

export interface ShownColumns<Row> {
  shown: Column<Row>[];
  exported: Column<Row>[]; // the same however wide the window is
  least: number; // pixels
  isShown: (c: Column<Row>) => boolean;
  toggle: (id: string) => void;
  left: number; // columns left out for lack of room
  reset: (() => void) | null; // null: nothing was chosen
}

/** What somebody chose is shown, room or not, and remembered. */
export function useColumns<Row>(name: string, columns: Column<Row>[], room: number): ShownColumns<Row> {
  const [chosen, setChosen] = useState<string[] | null>(() => remembered(`columns.${name}`)?.split(',').filter(Boolean) ?? null);
  const picked = chosen ? columns.filter((c) => chosen.includes(c.id)) : [];
  const wanted = picked.length ? picked : columns.filter((c) => !c.hidden);
  const { fit, least } = fitting(wanted, room, picked.length === 0);
  const choose = (ids: string[] | null) => {
    remember(`columns.${name}`, ids?.join(',') ?? null);
    setChosen(ids);
  };
  return {
    shown: fit,
    exported: columns.filter((c) => c.exported ?? wanted.includes(c)),
    least,
    left: wanted.length - fit.length,
    isShown: (c) => fit.includes(c),
    toggle: (id) => {
      const next = columns.filter((c) => (c.id === id ? !fit.includes(c) : fit.includes(c))).map((c) => c.id);
      if (next.length) choose(next);
    },
    reset: picked.length ? () => choose(null) : null,
  };
}
