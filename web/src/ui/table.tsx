/* DataTable: rows that sort, filter, choose their columns, leave as CSV, and are drawn only where they are seen, so that 50,000
 * scroll as five do. Sort and filter stand in the address (?sort=-startedAt&q=...), columns in the browser's memory. Where there is
 * no room for all columns, those that matter least are left out until somebody chooses them; the CSV has them all the same.
 *
 *   <DataTable name="runs" label={t('runs')} rows={runs} rowKey={(r) => r.runId} columns={columns} href={(r) => `/runs/${r.runId}`} />
 *
 * Keyboard: arrows, Page up and down, Home and End move; Enter opens; Space selects.
 */
import { useDeferredValue, useEffect, useId, useLayoutEffect, useMemo, useRef, useState, type KeyboardEvent, type MouseEvent, type ReactNode } from 'react';
import { useLocation } from 'wouter';
import { hasPage } from '../app/pages';
import { useParam } from '../app/params';
import { useLang, useWords } from '../i18n';
import { words } from '../i18n/words';
import { inGroups } from '../i18n/writing';
import { Button } from './buttons';
import { learnHeads, useColumns, widthOf, type CellValue, type Column, type ShownColumns } from './columns';
import { control } from './fields';
import { Icon } from './icons';
import { download, toCsv } from './csv';
import { toast } from './toast';

export type { CellValue, Column } from './columns';

export interface DataTableProps<Row> {
  name: string; // columns are remembered under it
  label: string; // what the table is of, for screen readers
  rows: readonly Row[];
  columns: Column<Row>[];
  rowKey: (row: Row) => string;
  href?: (row: Row) => string | null; // where a row leads
  sort?: string; // at first: "name" or "-name"
  selected?: ReadonlySet<string>; // with onSelect: rows can be selected
  onSelect?: (selected: Set<string>) => void;
  actions?: ReactNode; // beside the filter
  empty?: ReactNode; // in the place of a table without rows
  height?: number; // of the scrolled part at most
  param?: string; // a prefix of ?q and ?sort, where a page has several tables
  simple?: boolean; // its tools are folded away while it is short: tables inside of something
  tall?: boolean; // rows as high as their words; all are drawn, so some hundreds at most
  stack?: boolean; // with tall: on a phone a row is a card
  filterLabel?: string; // what the box of the filter says
  rowData?: (row: Row) => Record<`data-${string}`, string | boolean>;
  remote?: RemoteRows<Row>; // the server filters and sorts, by ?q and ?sort, and gives the rows in pages
}

export interface RemoteRows<Row> {
  more: boolean; // there are rows behind these
  onEnd: () => void; // the end comes into sight
  all: () => Promise<readonly Row[]>; // for the CSV
  sortable: (column: string) => boolean;
}

const ROW_PX = 36;
const MORE_ROWS = 8;
const CHECK_PX = 40;
// A simple table of more rows than these shows its tools.
const SIMPLE_ROWS = 10;
// The next page is asked for while so many rows are still to come.
const END_ROWS = 100;

function compare(a: CellValue, b: CellValue, collator: Intl.Collator): number {
  const isNone = (v: CellValue) => v === null || v === undefined || v === '' || (typeof v === 'number' && Number.isNaN(v));
  if (isNone(a) || isNone(b)) return Number(isNone(a)) - Number(isNone(b));
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  return collator.compare(String(a), String(b));
}

/** Rows that hold all words of the filter, in the wanted order. Rows without a value come last both ways. */
function useArranged<Row>(rows: readonly Row[], columns: Column<Row>[], filter: string, sort: string): readonly Row[] {
  const { lang } = useLang();
  const texts = useMemo(() => {
    if (!filter) return null;
    return rows.map((row) => columns.map((c) => c.value(row) ?? '').join('\u0001').toLowerCase());
    // The columns' functions are made anew at each rendering; what they read is in the rows.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [rows, filter !== '']);
  const matching = useMemo(() => {
    const wanted = filter.toLowerCase().split(/\s+/).filter(Boolean);
    return texts && wanted.length ? rows.filter((_, i) => wanted.every((word) => texts[i]!.includes(word))) : rows;
  }, [rows, texts, filter]);
  return useMemo(() => {
    const isDown = sort.startsWith('-');
    const column = columns.find((c) => c.id === (isDown ? sort.slice(1) : sort));
    if (!column) return matching;
    const collator = new Intl.Collator(lang, { numeric: true });
    const keyed = matching.map((row, i) => ({ row, i, key: column.value(row) }));
    const isNone = (v: CellValue) => v === null || v === undefined || v === '';
    keyed.sort((a, b) => {
      const order = compare(a.key, b.key, collator);
      return (isDown && !isNone(a.key) && !isNone(b.key) ? -order : order) || a.i - b.i;
    });
    return keyed.map((k) => k.row);
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [matching, sort, lang]);
}

/** What does not fit into its cell is said by the pointer. */
function sayWhatIsCut(event: MouseEvent) {
  const cell = (event.target as HTMLElement).closest('td');
  if (!cell) return;
  if (cell.scrollWidth > cell.clientWidth) cell.title = cell.innerText;
  else cell.removeAttribute('title');
}

export function DataTable<Row>(props: DataTableProps<Row>) {
  const { name, label, rows, columns, rowKey, href, selected, onSelect, actions, empty, param = '', remote, tall = false, rowData } = props;
  const stack = tall && props.stack === true;
  const height = props.height ?? (tall ? undefined : 640);
  const leadsTo = (row: Row) => {
    const to = href?.(row);
    return to && hasPage(to) ? to : null;
  };
  const t = useWords(words);
  const { lang } = useLang();
  const [, navigate] = useLocation();
  const [filter, setFilter] = useParam(`${param}q`);
  const [sort, setSort] = useParam(`${param}sort`, props.sort ?? '');
  const [isOpen, setOpen] = useState(false);
  const mayFold = props.simple === true && rows.length <= SIMPLE_ROWS;
  const isFolded = mayFold && !isOpen && filter === '';
  const arranged = useArranged(rows, columns, useDeferredValue(remote ? '' : filter), remote ? '' : sort);

  const scroller = useRef<HTMLDivElement>(null);
  const box = useRef<HTMLDivElement>(null);
  const [view, setView] = useState({ top: 0, height: height ?? 0, room: 0, bar: 0 });
  const chosen = useColumns(name, columns, view.room && view.room - (onSelect ? CHECK_PX : 0));
  const { shown } = chosen;
  const [active, setActive] = useState(0);
  const wantsFocus = useRef<number | null>(null);
  const current = Math.min(active, Math.max(0, arranged.length - 1));
  const first = tall ? 0 : Math.max(0, Math.floor(view.top / ROW_PX) - MORE_ROWS);
  const last = tall ? arranged.length : Math.min(arranged.length, Math.ceil((view.top + view.height) / ROW_PX) + MORE_ROWS);

  // Before it is seen: columns that have no room are not to blink.
  useLayoutEffect(() => {
    const element = scroller.current;
    if (!element) return;
    const measure = () => {
      const { scrollTop: top, clientHeight: height, clientWidth: room, offsetWidth } = element;
      const bar = offsetWidth - room;
      // Often nothing has changed: whoever is observed is told so at once.
      setView((was) => (was.top === top && was.height === height && was.room === room && was.bar === bar ? was : { top, height, room, bar }));
    };
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    element.addEventListener('scroll', measure, { passive: true });
    return () => {
      observer.disconnect();
      element.removeEventListener('scroll', measure);
    };
  }, [rows.length === 0]);
  const [, redraw] = useState(0);
  useLayoutEffect(() => {
    if (scroller.current && learnHeads(scroller.current, shown)) redraw((n) => n + 1);
  });

  const isNearEnd = remote?.more && last + END_ROWS >= rows.length;
  const onEnd = remote?.onEnd;
  useEffect(() => {
    if (isNearEnd) onEnd?.();
  }, [isNearEnd, onEnd, rows.length]);

  const moveTo = (to: number) => {
    const next = Math.min(arranged.length - 1, Math.max(0, to));
    const element = scroller.current;
    if (!element || next < 0) return;
    setActive(next);
    wantsFocus.current = next;
    if (tall) return element.querySelector<HTMLElement>(`[data-row="${next}"]`)?.focus();
    const top = next * ROW_PX;
    const room = element.clientHeight - ROW_PX; // less the head
    if (top < element.scrollTop) element.scrollTop = top;
    else if (top + ROW_PX > element.scrollTop + room) element.scrollTop = top + ROW_PX - room;
    // The row that has the focus may go now; keys go on with the one that is wanted.
    element.focus({ preventScroll: true });
  };
  // The row may be drawn only after the scrolling was seen, however long that takes.
  useEffect(() => {
    if (wantsFocus.current === null) return;
    const row = scroller.current?.querySelector<HTMLElement>(`[data-row="${wantsFocus.current}"]`);
    if (!row) return;
    wantsFocus.current = null;
    row.focus({ preventScroll: true });
  });

  const select = (row: Row) => {
    if (!onSelect) return;
    const next = new Set(selected);
    if (!next.delete(rowKey(row))) next.add(rowKey(row));
    onSelect(next);
  };

  const open = (row: Row, inNewTab: boolean) => {
    const to = leadsTo(row);
    if (!to) return;
    if (inNewTab) window.open(`/ui${to}`, '_blank', 'noopener');
    else navigate(to);
  };

  const onKeyDown = (event: KeyboardEvent<HTMLElement>) => {
    const wanted = event.target === scroller.current ? wantsFocus.current : null;
    const place = wanted ?? (event.target as HTMLElement).dataset.row;
    if (place === undefined || event.altKey) return; // a control inside a row, or the head
    const at = Number(place);
    const page = Math.max(1, Math.floor(view.height / ROW_PX) - 2);
    const moves: Record<string, number> = { ArrowDown: at + 1, ArrowUp: at - 1, PageDown: at + page, PageUp: at - page, Home: 0, End: arranged.length - 1 };
    const row = arranged[at];
    if (moves[event.key] !== undefined) moveTo(moves[event.key]!);
    else if (event.key === 'Enter' && row) open(row, event.ctrlKey || event.metaKey);
    else if (event.key === ' ' && row && onSelect) select(row);
    else return;
    event.preventDefault();
  };

  const nextSort = (id: string) => setSort(sort === id ? `-${id}` : id);
  const [exporting, setExporting] = useState(false);
  const exportCsv = async () => {
    setExporting(true);
    try {
      download(`${name}.csv`, 'text/csv;charset=utf-8', toCsv(chosen.exported, remote ? await remote.all() : arranged));
    } catch (error) {
      toast.error(error);
    } finally {
      setExporting(false);
    }
  };
  const minWidth = chosen.least + (onSelect ? CHECK_PX : 0);
  const unfold = () => {
    if (!isFolded) setFilter('');
    setOpen(isFolded);
    if (isFolded && !remote) setTimeout(() => box.current?.querySelector<HTMLElement>('input[type=search]')?.focus());
  };

  if (rows.length === 0 && empty) return <>{empty}</>;
  return (
    <div ref={box} data-table={name} className="relative min-w-0">
      {!isFolded && (
        <div className="flex flex-wrap items-center gap-2 mb-2">
          {!remote && (
            <div className={`relative grow ${props.filterLabel ? 'max-w-96' : 'max-w-80'}`}>
              <Icon name="search" className="absolute left-2 top-2 text-muted" />
              <input type="search" aria-label={props.filterLabel ?? t('filterRows')} placeholder={props.filterLabel ?? t('filter')} value={filter} onChange={(e) => setFilter(e.target.value)} className={`${control} pl-8`} />
            </div>
          )}
          <span className="text-muted" role="status">
            {remote?.more
              ? t('rowsMore', { n: inGroups(rows.length, lang) })
              : arranged.length === rows.length
              ? t(rows.length === 1 ? 'row' : 'rows', { n: inGroups(rows.length, lang) })
              : t('rowsOf', { n: inGroups(arranged.length, lang), all: inGroups(rows.length, lang) })}
            {selected?.size ? ` · ${t('selected', { n: selected.size })}` : ''}
          </span>
          <span className="grow" />
          {actions}
          <ColumnMenu columns={columns} of={chosen} />
          <Button look="quiet" icon="download" title={t('exportCsvLong')} busy={exporting} onClick={() => void exportCsv()}>{t('exportCsv')}</Button>
        </div>
      )}
      <div className="relative">
        {mayFold && (
          <button type="button" aria-expanded={!isFolded} aria-label={t('toolsOf', { table: label })} title={t('tools')} onClick={unfold} className="absolute top-1 z-20 grid place-items-center size-7 rounded-md bg-surface text-muted hover:text-text hover:bg-raised" style={{ right: view.bar + 4 }}>
            <Icon name="more" />
          </button>
        )}
        {/* Rows above and below are blank space of the same height; the browser must not follow a row that is replaced. Words for
            screen readers only are positioned: "relative" keeps them inside, else they would widen the page. */}
        <div ref={scroller} role="group" aria-label={label} tabIndex={0} className={`relative card overflow-auto [overflow-anchor:none] ${stack ? 'stacks' : ''}`} style={{ maxHeight: height }} onKeyDown={onKeyDown}>
          <table role={stack ? 'table' : undefined} className="w-full table-fixed border-collapse" style={{ minWidth }} aria-rowcount={remote?.more ? -1 : arranged.length + 1}>
            <caption className="sr-only">{label}</caption>
            <colgroup>
              {onSelect && <col style={{ width: CHECK_PX }} />}
              {shown.map((c) => <col key={c.id} style={c.width ? { width: widthOf(c, 0) } : undefined} />)}
            </colgroup>
            <thead role={stack ? 'rowgroup' : undefined}>
              <tr role={stack ? 'row' : undefined} aria-rowindex={1}>
                {onSelect && <th scope="col" className="sticky top-0 z-10 bg-surface border-b border-line"><span className="sr-only">{t('selectRow')}</span></th>}
                {shown.map((c, i) => {
                  const order = sort === c.id ? 'ascending' : sort === `-${c.id}` ? 'descending' : undefined;
                  return (
                    <th key={c.id} role={stack ? 'columnheader' : undefined} scope="col" aria-sort={order} className={`sticky top-0 z-10 bg-surface border-b border-line p-0 font-semibold ${c.align === 'right' ? 'text-right' : 'text-left'}`}>
                      <button type="button" title={c.title} disabled={remote && !remote.sortable(c.id)} onClick={() => nextSort(c.id)} className={`flex w-full items-center gap-1 px-3 h-9 text-muted enabled:hover:text-text ${c.align === 'right' ? 'justify-end' : ''} ${mayFold && i === shown.length - 1 ? 'pr-9!' : ''}`}>
                        {c.mark}
                        <span data-head={c.title} className="truncate">{c.title}</span>
                        {order && <Icon name={order === 'ascending' ? 'up' : 'down'} size={12} />}
                      </button>
                    </th>
                  );
                })}
              </tr>
            </thead>
            <tbody role={stack ? 'rowgroup' : undefined} onMouseOver={sayWhatIsCut}>
              {first > 0 && <Blank key={first} rows={first} columns={shown.length + (onSelect ? 1 : 0)} />}
              {arranged.slice(first, last).map((row, i) => {
                const at = first + i;
                const key = rowKey(row);
                const isSelected = selected?.has(key) ?? false;
                return (
                  <tr
                    key={key}
                    role={stack ? 'row' : undefined}
                    {...rowData?.(row)}
                    data-row={at}
                    aria-rowindex={at + 2}
                    aria-selected={onSelect ? isSelected : undefined}
                    tabIndex={at === current ? 0 : -1}
                    onFocus={() => setActive(at)}
                    onClick={(event) => {
                      if ((event.target as HTMLElement).closest('a,button,input,label,summary')) return;
                      if (!getSelection()?.toString()) open(row, event.ctrlKey || event.metaKey);
                    }}
                    className={`border-b border-line last:border-b-0 focus-visible:-outline-offset-2 ${isSelected ? 'tint-accent' : 'hover:bg-raised'} ${leadsTo(row) ? 'cursor-pointer' : ''}`}
                    style={{ height: tall ? undefined : ROW_PX }}
                  >
                    {onSelect && (
                      <td className="px-3"><input type="checkbox" tabIndex={-1} aria-label={`${t('selectRow')} ${key}`} className="size-4 accent-accent align-middle" checked={isSelected} onChange={() => select(row)} /></td>
                    )}
                    {shown.map((c, i) => (
                      <td key={c.id} role={stack ? 'cell' : undefined} data-label={stack && i > 0 && shown.length > 3 ? c.title : undefined} className={`px-3 ${tall ? 'py-2 align-top [overflow-wrap:anywhere]' : 'truncate'} ${c.align === 'right' ? 'text-right' : ''}`}>{c.cell ? c.cell(row) : String(c.value(row) ?? '–')}</td>
                    ))}
                  </tr>
                );
              })}
              {last < arranged.length && <Blank key={-last} rows={arranged.length - last} columns={shown.length + (onSelect ? 1 : 0)} />}
            </tbody>
          </table>
          {arranged.length === 0 && <p className="p-4 text-muted">{t('noRows')}</p>}
        </div>
      </div>
    </div>
  );
}

/** Rows that nobody sees. Made anew (its key) with each height: Chromium 156 leaves a row as high as it was when rows beside it
 * are replaced in the same moment, and then scrolls to where the table ends. */
function Blank({ rows, columns }: { rows: number; columns: number }) {
  return <tr aria-hidden style={{ height: rows * ROW_PX }}><td colSpan={columns} /></tr>;
}

function ColumnMenu<Row>({ columns, of: { isShown, toggle, shown, left, reset } }: { columns: Column<Row>[]; of: ShownColumns<Row> }) {
  const t = useWords(words);
  const id = useId();
  const [open, setOpen] = useState(false);
  const ref = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (!open) return;
    const onPointer = (event: PointerEvent) => !ref.current?.contains(event.target as Node) && setOpen(false);
    document.addEventListener('pointerdown', onPointer);
    return () => document.removeEventListener('pointerdown', onPointer);
  }, [open]);
  return (
    <div ref={ref} className="relative" onKeyDown={(e) => e.key === 'Escape' && setOpen(false)}>
      <Button look="quiet" icon="columns" aria-expanded={open} aria-controls={id} onClick={() => setOpen(!open)}>{left ? t('columnsOf', { n: shown.length, all: shown.length + left }) : t('columns')}</Button>
      {open && (
        <div id={id} role="group" aria-label={t('columns')} className="card absolute right-0 top-full mt-1 z-30 p-2 shadow-xl max-h-80 overflow-auto flex flex-col min-w-44">
          {columns.map((c) => (
            <label key={c.id} className="flex items-center gap-2 px-1 min-h-8 whitespace-nowrap">
              <input type="checkbox" className="size-4 accent-accent" checked={isShown(c)} onChange={() => toggle(c.id)} />
              {c.title}
            </label>
          ))}
          {reset && <Button look="quiet" icon="retry" onClick={reset}>{t('columnsReset')}</Button>}
        </div>
      )}
    </div>
  );
}
