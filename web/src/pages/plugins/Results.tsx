/* What one plugin said about games: a column for each value, a row for each game, the newest first. */
import { useState } from 'react';
import { api } from '../../api/client';
import { useApi } from '../../api/useApi';
import { useLastPart, useParam } from '../../app/params';
import { useLang, useWords } from '../../i18n';
import { Said } from '../../i18n/server';
import { Button, DataTable, EmptyState, Num, Page, SelectField, Shown, Status, TextLink, Time, useAction, type Column } from '../../ui';
import type { Answer } from './types';
import { words } from './words';

const PAGE = 1000; // as many as the server gives at once
const tones = { completed: 'good', skipped: 'idle', failed: 'bad' } as const;

export default function Results() {
  const t = useWords(words);
  const name = useLastPart();
  const [version, setVersion] = useParam('version');
  const analytics = useApi('/v1/analytics');
  const versions = analytics.data?.items.filter((a) => a.name === name) ?? [];
  const one = versions.find((a) => a.version === version) ?? versions.find((a) => a.active) ?? versions[0];
  return (
    <Page
      title={name}
      crumbs={[{ title: t('title'), href: '/plugins' }]}
      actions={versions.length > 1 && <SelectField label={t('version')} hideLabel value={one?.version ?? ''} onChange={setVersion} options={versions.map((a) => ({ value: a.version, label: t('versionN', { n: a.version }) }))} />}
    >
      {one && (
        <p className="flex flex-wrap gap-x-5 gap-y-1">
          <Said or={one.origin.startsWith('builtin:') ? undefined : 'anything'}>{one.summary}</Said>
          <span className="text-muted">{t('counts', { version: one.version, completed: one.completed, skipped: one.skipped, failed: one.failed, pending: one.pending })}</span>
        </p>
      )}
      <Answers key={`${name} ${version}`} name={name} version={version} />
    </Page>
  );
}

function Answers({ name, version }: { name: string; version: string }) {
  const t = useWords(words);
  const { lang } = useLang();
  const { busy, act } = useAction();
  const first = useApi('/v1/analytics/{id}/results', { path: { id: name }, query: { version, limit: PAGE } });
  const [older, setOlder] = useState<Answer[]>([]);
  const [isEnd, setEnd] = useState(false);
  const more = (from: number) =>
    act('more', async () => {
      const { items } = await api('GET', '/v1/analytics/{id}/results', { path: { id: name }, query: { version, limit: PAGE, offset: from } });
      setOlder((had) => [...had, ...items]);
      setEnd(items.length < PAGE);
    });
  return (
    <Shown of={first}>
      {({ items }) => {
        const rows = [...items, ...older];
        return (
          <>
            <DataTable name={`plugin.${name}`} label={t('results')} rows={rows} rowKey={(a) => a.gameId} columns={columnsOf(rows, t)} href={(a) => `/games/${a.gameId}`} empty={<EmptyState icon="plugins" title={t('noResults')}>{t('noResultsNext')}</EmptyState>} />
            {items.length === PAGE && !isEnd && <div><Button busy={busy !== null} onClick={() => void more(rows.length)}>{t('more', { n: PAGE.toLocaleString(lang) })}</Button></div>}
          </>
        );
      }}
    </Shown>
  );
}

/** The values that any of the answers has, in the order in which they come. */
function columnsOf(rows: Answer[], t: ReturnType<typeof useWords<keyof (typeof words)['en']>>): Column<Answer>[] {
  const names = new Set<string>();
  for (const row of rows) for (const key of Object.keys(row.result ?? {})) names.add(key);
  return [
    { id: 'game', title: t('game'), value: (a) => a.gameId, cell: (a) => <TextLink href={`/games/${a.gameId}`}>{a.gameId.slice(0, 8)}</TextLink>, width: 110 },
    { id: 'status', title: t('state'), value: (a) => t(a.status), cell: (a) => <Status state={a.status} tone={tones[a.status]} label={t(a.status)} />, width: 130 },
    ...[...names].map((key): Column<Answer> => {
      const isNumber = rows.some((a) => typeof a.result?.[key] === 'number');
      return {
        id: `r.${key}`,
        title: key,
        value: (a) => a.result?.[key],
        cell: (a) => {
          const value = a.result?.[key];
          return value === undefined || value === null ? '–' : typeof value === 'number' ? <Num value={value} /> : typeof value === 'boolean' ? t(value ? 'yes' : 'no') : value;
        },
        width: 130,
        align: isNumber ? 'right' : undefined,
      };
    }),
    { id: 'reason', title: t('reason'), value: (a) => a.reason, cell: (a) => (a.reason ? <Said title or="anything">{a.reason}</Said> : '–'), width: 220, hidden: !rows.some((a) => a.reason) },
    { id: 'attempts', title: t('attempts'), value: (a) => a.attempts, width: 90, align: 'right' },
    { id: 'updated', title: t('updated'), value: (a) => a.updatedAt, cell: (a) => <Time at={a.updatedAt} ago />, width: 130 },
  ];
}
