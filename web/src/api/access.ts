/* May I? The server's own table (GET /v1/permissions) says which role a call needs, and GET /v1/users/me which one we have. Where
 * that cannot be known nothing is held back: the server decides in the end.
 *
 *   const denied = useDenied('POST /v1/models/promote');
 *   if (denied) return <p>{denied.why}</p>;
 */
import { useMemo } from 'react';
import { useWords } from '../i18n';
import { words } from '../i18n/words';
import type { Method, PathOf } from './client';
import { useApi } from './useApi';

/** A call by its method and path as they stand in the document; other addresses of the same are not in the table. */
type Call = { [M in Method]: `${M} ${PathOf<M> & string}` }[Method];

const ranks = ['public', 'viewer', 'analyst', 'admin'] as const;
export type Access = (typeof ranks)[number];

const rankOf = (access: string) => ranks.indexOf(access as Access);

/** The role of who asks; undefined while it is not known. */
function roleOf(roles: string[] | undefined): Access | undefined {
  const role = roles?.[0];
  return role && rankOf(role) >= 0 ? (role as Access) : undefined;
}

export function useRole(): Access | undefined {
  return roleOf(useApi('/v1/users/me').data?.roles);
}

/** Is `needed` more than `role`? */
export const isBeyond = (role: Access | undefined, needed: string) => role !== undefined && rankOf(needed) > rankOf(role);

export interface Denied {
  needed: Access;
  role: Access;
  why: string;
}

/** What is needed: a call, or a role where the table does not say it (a part of a call). */
export type Needs = Call | Access;

/** null: we may, as far as is known; undefined: that is being asked. */
export function useDenied(needs: Needs | undefined): Denied | null | undefined {
  const t = useWords(words);
  const me = useApi(needs ? '/v1/users/me' : null);
  const role = roleOf(me.data?.roles);
  // Who may do everything needs no table.
  const table = useApi(needs?.includes(' ') && role && role !== 'admin' ? '/v1/permissions' : null);
  const needed = useMemo(
    () => ranks.find((role) => role === needs) ?? table.data?.items.find((p) => `${p.method} ${p.path.replace('...}', '}')}` === needs)?.access,
    [table.data, needs],
  );
  if (me.loading || table.loading) return undefined;
  return role && needed && isBeyond(role, needed) ? { needed, role, why: t('denied', { needed, role }) } : null;
}
