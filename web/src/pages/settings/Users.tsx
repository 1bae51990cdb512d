/* Whoever was given a key, and the default user. A role is the one of all his working keys. */
import { api } from '../../api/client';
import { invalidate, useApi } from '../../api/useApi';
import { useWords } from '../../i18n';
import { confirm, DataTable, EmptyState, SelectField, Shown, Time, useAction, type Column } from '../../ui';
import { roles, type Role, type User } from './types';
import { words } from './words';

export function Users() {
  const t = useWords(words);
  const users = useApi('/v1/admin/users', {}, { poll: 10000 });
  const me = useApi('/v1/users/me');
  const { busy, act } = useAction();
  const change = async (user: User, role: Role) => {
    if (!(await confirm({ title: t('roleTitle', { user: user.username, role: t(role) }), text: t('roleText'), action: t('change') }))) return;
    await act(user.id, () => api('PATCH', '/v1/admin/users/{id}', { path: { id: user.id }, body: { roles: [role] } }), t('roleChanged', { user: user.username, role: t(role) }));
    invalidate('/v1/');
  };
  const roleOf = (u: User) => u.roles[0];
  const columns: Column<User>[] = [
    { id: 'user', title: t('user'), value: (u) => u.username, cell: (u) => <>{u.username}{u.username === me.data?.username && <span className="text-muted"> · {t('you')}</span>}</> },
    {
      id: 'role',
      title: t('role'),
      value: (u) => (roleOf(u) ? t(roleOf(u)!) : ''),
      cell: (u) => (u.keys > 0 && roleOf(u) ? <SelectField hideLabel label={t('roleOf', { user: u.username })} value={roleOf(u)!} disabled={busy !== null} onChange={(role) => void change(u, role)} options={roles.map((r) => ({ value: r, label: t(r) }))} /> : roleOf(u) ? t(roleOf(u)!) : '–'),
      width: 190,
    },
    { id: 'keys', title: t('keys'), value: (u) => u.keys, width: 110, align: 'right' },
    { id: 'since', title: t('since'), value: (u) => u.createdAt, cell: (u) => <Time at={u.createdAt} />, width: 200 },
  ];
  return (
    <>
      <p className="text-muted mb-3 max-w-[90ch]">{t('usersHint')}</p>
      <Shown of={users}>
        {({ items }) => <DataTable name="users" label={t('users')} param="u" rows={items} rowKey={(u) => u.id} columns={columns} empty={<EmptyState icon="player" title={t('noUsers')} />} />}
      </Shown>
    </>
  );
}
