/* Who changed what, newest first. The server filters by user and by the beginning of the action. */
import { useState } from 'react';
import { api } from '../../api/client';
import { useApi } from '../../api/useApi';
import { useParam } from '../../app/params';
import { useWords } from '../../i18n';
import { Button, DataTable, EmptyState, Shown, TextField, Time, useAction, type Column } from '../../ui';
import type { AuditRow } from './types';
import { words } from './words';

const PAGE = 500;

export function Audit() {
  const t = useWords(words);
  const [user, setUser] = useParam('user');
  const [action, setAction] = useParam('action');
  const [who, setWho] = useState(user);
  const [what, setWhat] = useState(action);
  const apply = () => {
    setUser(who.trim());
    setAction(what.trim());
  };
  return (
    <>
      <form className="flex flex-wrap items-end gap-3 mb-3" onSubmit={(event) => { event.preventDefault(); apply(); }}>
        <TextField label={t('user')} value={who} onChange={setWho} />
        <TextField label={t('actionBegins')} placeholder="auth." value={what} onChange={setWhat} />
        <Button type="submit" icon="search">{t('show')}</Button>
      </form>
      <Rows key={`${user} ${action}`} user={user} action={action} />
    </>
  );
}

function Rows({ user, action }: { user: string; action: string }) {
  const t = useWords(words);
  const { busy, act } = useAction();
  const first = useApi('/v1/admin/audit', { query: { user, action, limit: PAGE } });
  const [older, setOlder] = useState<AuditRow[]>([]);
  const [isEnd, setEnd] = useState(false);
  const more = (from: number) =>
    act('more', async () => {
      const { items } = await api('GET', '/v1/admin/audit', { query: { user, action, limit: PAGE, offset: from } });
      setOlder((had) => [...had, ...items]);
      setEnd(items.length < PAGE);
    });
  const detailOf = (row: AuditRow) => (row.detail === undefined ? '' : JSON.stringify(row.detail));
  const columns: Column<AuditRow & { no: number }>[] = [
    { id: 'at', title: t('at'), value: (r) => r.at, cell: (r) => <Time at={r.at} />, width: 190 },
    { id: 'user', title: t('user'), value: (r) => r.username, width: 140 },
    { id: 'action', title: t('action'), value: (r) => r.action, cell: (r) => <code>{r.action}</code>, width: 190 },
    { id: 'subject', title: t('subject'), value: (r) => r.subject, cell: (r) => <span title={r.subject}>{r.subject || '–'}</span>, width: 260 },
    { id: 'detail', title: t('detail'), value: detailOf, cell: (r) => <code title={detailOf(r)}>{detailOf(r) || '–'}</code> },
  ];
  return (
    <Shown of={first}>
      {({ items }) => {
        const rows = [...items, ...older].map((row, no) => ({ ...row, no }));
        return (
          <>
            <DataTable name="audit" label={t('audit')} param="a" rows={rows} rowKey={(r) => String(r.no)} columns={columns} empty={<EmptyState icon="logs" title={t('noAudit')}>{t('noAuditNext')}</EmptyState>} />
            {items.length === PAGE && !isEnd && <div className="mt-2"><Button busy={busy !== null} onClick={() => void more(rows.length)}>{t('olderRows')}</Button></div>}
          </>
        );
      }}
    </Shown>
  );
}
