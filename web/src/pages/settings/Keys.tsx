/* API keys: who has one, a new one (its secret is shown once), and the end of one.
 *
 * The first key of an administrator ends the time in which everybody on this machine is trusted: this page says so before, and
 * uses the new key from then on, so that it goes on working. */
import { useState, type ReactNode } from 'react';
import { api, apiKey, signIn } from '../../api/client';
import { invalidate, useApi } from '../../api/useApi';
import { useWords } from '../../i18n';
import { Button, CheckField, confirm, CopyButton, DataTable, Dialog, EmptyState, Icon, SelectField, Shown, Status, TextField, Time, useAction, useNow, type Column } from '../../ui';
import { isExpired, roles, type Key, type Role } from './types';
import { words } from './words';

const EXPIRIES = ['0', '7', '30', '90', '365'] as const;
type Expiry = (typeof EXPIRIES)[number];

/** An expired one counts, too: it does not bring the trust back. */
const isAdminKey = (key: Key) => key.role === 'admin' && !key.revokedAt;

export function Keys() {
  const t = useWords(words);
  const keys = useApi('/v1/keys', {}, { poll: 10000 });
  const [isMaking, setMaking] = useState(false);
  const [withRevoked, setWithRevoked] = useState(false);
  return (
    <Shown of={keys}>
      {({ items }) => {
        const trusts = !items.some(isAdminKey);
        const shown = items.filter((k) => withRevoked || !k.revokedAt);
        return (
          <div className="flex flex-col gap-3">
            <p className="flex gap-2 max-w-[90ch]"><Icon name={trusts ? 'info' : 'key'} className="shrink-0 mt-0.5 text-muted" />{trusts ? t('trusts') : t('wantsKeys')}</p>
            <KeyTable
              keys={shown}
              admins={items.filter(isAdminKey)}
              actions={
                <>
                  {items.some((k) => k.revokedAt) && <CheckField label={t('withRevoked')} value={withRevoked} onChange={setWithRevoked} />}
                  <Button look="primary" icon="plus" onClick={() => setMaking(true)}>{t('newKey')}</Button>
                </>
              }
            />
            {isMaking && <NewKey trusts={trusts} onClose={() => setMaking(false)} />}
          </div>
        );
      }}
    </Shown>
  );
}

/* ---------------------------------------------------------------- the keys there are */

function KeyTable({ keys, admins, actions }: { keys: Key[]; admins: Key[]; actions: ReactNode }) {
  const t = useWords(words);
  const now = useNow();
  const { busy, act } = useAction();
  const stateOf = (k: Key) => (k.revokedAt ? 'revoked' : isExpired(k, now) ? 'expired' : 'works');
  const revoke = async (key: Key) => {
    const isLast = admins.length === 1 && admins[0]!.id === key.id;
    const text = isLast ? t('revokeLast') : t('revokeText', { user: key.username });
    if (!(await confirm({ title: t('revokeTitle', { user: key.username }), text, action: t('revoke'), danger: true }))) return;
    if (!(await act(key.id, () => api('DELETE', '/v1/keys/{id}', { path: { id: key.id } }), t('revokedDone')))) return;
    // The server trusts this machine again, and would refuse a key that it no longer knows.
    if (isLast) signIn('');
    invalidate('/v1/');
  };
  const columns: Column<Key>[] = [
    { id: 'user', title: t('user'), value: (k) => k.username, width: 150 },
    { id: 'role', title: t('role'), value: (k) => t(k.role), width: 130 },
    { id: 'state', title: t('state'), value: (k) => t(stateOf(k)), cell: (k) => <Status state={stateOf(k)} tone={stateOf(k) === 'works' ? 'good' : 'idle'} label={t(stateOf(k))} />, width: 110 },
    { id: 'note', title: t('note'), value: (k) => k.note, cell: (k) => <span title={k.note}>{k.note || '–'}</span> },
    { id: 'created', title: t('created'), value: (k) => k.createdAt, cell: (k) => <Time at={k.createdAt} ago />, width: 130, hidden: true },
    { id: 'used', title: t('lastUsed'), value: (k) => k.lastUsedAt, cell: (k) => <Time at={k.lastUsedAt} ago />, width: 125 },
    { id: 'expires', title: t('expires'), value: (k) => k.expiresAt, cell: (k) => (k.expiresAt ? <Time at={k.expiresAt} /> : t('neverExpires')), width: 190 },
    { id: 'revoke', title: t('revoke'), value: () => '', cell: (k) => !k.revokedAt && <Button look="danger" busy={busy === k.id} disabled={busy !== null} aria-label={t('revokeOf', { user: k.username, id: k.id.slice(-6) })} onClick={() => void revoke(k)}>{t('revoke')}</Button>, width: 130, align: 'right', rank: 0, exported: false },
  ];
  return (
    <DataTable
      name="keys"
      label={t('keys')}
      param="k"
      rows={keys}
      rowKey={(k) => k.id}
      columns={columns}
      actions={actions}
      empty={<EmptyState icon="key" title={t('noKeys')} action={<span className="flex flex-wrap justify-center gap-3">{actions}</span>}>{t('noKeysNext')}</EmptyState>}
    />
  );
}

/* ---------------------------------------------------------------- a new one */

function NewKey({ trusts, onClose }: { trusts: boolean; onClose: () => void }) {
  const t = useWords(words);
  const { busy, act } = useAction();
  const [username, setUsername] = useState('');
  const [role, setRole] = useState<Role>('viewer');
  const [days, setDays] = useState<Expiry>('90');
  const [note, setNote] = useState('');
  const [isUnderstood, setUnderstood] = useState(false);
  const [made, setMade] = useState<{ secret: string; isUsed: boolean } | null>(null);
  const endsTrust = trusts && role === 'admin';
  const isReady = username.trim() !== '' && (!endsTrust || isUnderstood);
  const make = () =>
    act('make', async () => {
      const { key } = await api('POST', '/v1/keys', { body: { username: username.trim(), role, note: note.trim(), expiresInDays: Number(days) } });
      // From this moment on the server wants a key of everybody, of this page, too.
      const isUsed = endsTrust && !apiKey.get();
      if (isUsed) signIn(key);
      setMade({ secret: key, isUsed });
      invalidate('/v1/');
    });
  if (made)
    return (
      <Dialog open onClose={onClose} title={t('madeTitle', { user: username.trim() })} actions={<Button look="primary" onClick={onClose}>{t('done')}</Button>}>
        <p className="mb-2">{t('shownOnce')}</p>
        <div className="flex flex-wrap items-center gap-2 rounded-md bg-raised p-2"><code data-secret className="break-all min-w-0 grow">{made.secret}</code><CopyButton look="plain" text={made.secret} label={t('copyKey')} /></div>
        <p className="text-muted mt-2">{t('howToUse')}</p>
        {made.isUsed && <p className="mt-2">{t('nowUsed')}</p>}
      </Dialog>
    );
  return (
    <Dialog open onClose={onClose} title={t('newKey')} actions={<Button look="primary" disabled={!isReady} busy={busy !== null} onClick={() => void make()}>{t('make')}</Button>}>
      <form className="flex flex-col gap-3" onSubmit={(event) => { event.preventDefault(); if (isReady) void make(); }}>
        <TextField label={t('user')} hint={t('userHint')} value={username} onChange={setUsername} required maxLength={64} autoComplete="off" />
        <SelectField label={t('role')} hint={t(`${role}Hint`)} value={role} onChange={setRole} options={roles.map((r) => ({ value: r, label: t(r) }))} />
        <SelectField label={t('expires')} hint={endsTrust && days !== '0' ? t('expiryOfFirst') : undefined} value={days} onChange={setDays} options={EXPIRIES.map((d) => ({ value: d, label: d === '0' ? t('neverExpires') : t('inDays', { n: d }) }))} />
        <TextField label={t('note')} hint={t('noteHint')} value={note} onChange={setNote} maxLength={200} />
        {endsTrust && (
          <div role="alert" className="rounded-md border border-warn tint-warn p-3 flex flex-col gap-2">
            <p className="font-semibold flex gap-2"><Icon name="alert" className="shrink-0 mt-0.5 text-warn" />{t('endsTrust')}</p>
            <p>{t('endsTrustText')}</p>
            <CheckField label={t('understood')} value={isUnderstood} onChange={setUnderstood} />
          </div>
        )}
      </form>
    </Dialog>
  );
}
