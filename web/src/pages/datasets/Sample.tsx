/* Rows as they are, fifty at a time. A row of a game leads to its position on the board. */
import { useMemo } from 'react';
import { useApi } from '../../api/useApi';
import { useParam } from '../../app/params';
import { useLang, useWords } from '../../i18n';
import { Button, DataTable, EmptyState, formatNumber, Num, Shown, TextLink, type Column } from '../../ui';
import type { DatasetWhole, SampleRow } from './types';
import { words } from './words';

const PAGE = 50;

/** Where a row's position is shown; null for rows that are no positions. */
function boardOf(row: SampleRow): string | null {
  const { game_id: game, ply } = row;
  return typeof game === 'string' && typeof row.fen === 'string' ? `/games/${encodeURIComponent(game)}?ply=${Number(ply) || 0}` : null;
}

export function Sample({ of }: { of: DatasetWhole }) {
  const t = useWords(words);
  const { lang } = useLang();
  const [from, setFrom] = useParam('from', '0');
  const cursor = Math.max(0, Math.floor(Number(from)) || 0);
  const sample = useApi('/v1/datasets/{id}/sample', { path: { id: of.id }, query: { limit: PAGE, cursor } });
  return (
    <Shown of={sample}>
      {({ items, nextCursor }) => (
        <div className="flex flex-col gap-3">
          <Rows key={cursor} rows={items} first={cursor} />
          <div className="flex flex-wrap items-center gap-2">
            <Button icon="left" disabled={cursor === 0} onClick={() => setFrom(String(Math.max(0, cursor - PAGE)))}>{t('before')}</Button>
            <Button icon="right" disabled={nextCursor === null} onClick={() => setFrom(String(nextCursor))}>{t('after')}</Button>
            <span role="status" className="text-muted">{items.length > 0 && t('rowsFrom', { from: formatNumber(cursor + 1, lang), to: formatNumber(cursor + items.length, lang), all: formatNumber(of.rows, lang) })}</span>
          </div>
        </div>
      )}
    </Shown>
  );
}

interface Numbered {
  at: number;
  row: SampleRow;
}

function Rows({ rows, first }: { rows: SampleRow[]; first: number }) {
  const t = useWords(words);
  const numbered = useMemo(() => rows.map((row, i) => ({ at: first + i + 1, row })), [rows, first]);
  const isBoard = rows.some((row) => boardOf(row) !== null);
  const names = Object.keys(rows[0] ?? {}).filter((name) => !(isBoard && name === 'game_id'));
  const isNumber = (name: string) => rows.some((row) => typeof row[name] === 'number');
  const columns: Column<Numbered>[] = names.map((name) => ({
    id: name,
    title: name,
    value: ({ row }) => row[name],
    cell: ({ row }) => {
      const value = row[name];
      const board = name === 'fen' ? boardOf(row) : null;
      if (value === null || value === undefined) return '–';
      if (typeof value === 'number') return <Num value={value} />;
      return board ? <TextLink href={board} label={t('showOnBoard', { fen: String(value) })} className="block truncate py-1.5"><span className="font-mono text-[0.86rem]">{String(value)}</span></TextLink> : <span title={String(value)}>{String(value)}</span>;
    },
    width: name === 'fen' ? 300 : isNumber(name) ? 80 : 95,
    align: isNumber(name) ? 'right' : undefined,
  }));
  return <DataTable name="dataset.sample" label={t('sample')} simple param="r" rows={numbered} rowKey={({ at }) => String(at)} href={({ row }) => boardOf(row)} columns={columns} empty={<EmptyState title={t('noSample')} />} />;
}
