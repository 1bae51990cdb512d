/* Replies about settings, keys, people and what is cleaned up. */
export interface Setting {
  name: string;
  value: string;
  default: string;
  from: string;
  type: string;
  help: string;
}
export type Role = 'viewer' | 'analyst' | 'admin';
export interface Key {
  id: string;
  username: string;
  role: Role;
  note: string;
  createdAt: string;
  lastUsedAt: string | null;
  revokedAt: string | null;
  expiresAt: string | null;
}
export interface User {
  id: string;
  username: string;
  createdAt: string;
  roles: Role[];
  keys: number;
}
export interface AuditRow {
  at: string;
  username: string;
  action: string;
  subject: string;
  detail?: unknown;
}
/** What a gc would do, or did: the result of its job; plan.json and report.json name the things, too. */
export interface GcNumbers {
  dryRun: boolean;
  runsIntoTrash: number;
  runsPurged: number;
  loggedModelsPurged: number;
  experimentsPurged: number;
  tracesRemoved: number;
  keptBecauseNeeded: number;
  blobsRemoved: number;
  bytesFreed: number | null;
  bytesTooYoung: number;
}
export interface GcPlan extends GcNumbers {
  items: { do: string; id: string }[];
  itemsAreAll: boolean;
}

declare module '../../api/types' {
  interface Replies {
    'GET /v1/settings': Items<Setting>;
    'GET /v1/keys': Items<Key>;
    'POST /v1/keys': { id: string; key: string; role: Role; expiresAt: string | null };
    'GET /v1/admin/users': Items<User>;
    'GET /v1/admin/audit': Items<AuditRow>;
    'GET /v1/runs/{runId}/artifacts/{path}': unknown; // a JSON file that a run left: the reader knows which
    'POST /v1/maintenance/gc': { runId: string; jobId: string };
  }
}

export const roles: Role[] = ['viewer', 'analyst', 'admin'];
export const isExpired = (key: Key, now: number) => key.expiresAt !== null && Date.parse(key.expiresAt) <= now;
