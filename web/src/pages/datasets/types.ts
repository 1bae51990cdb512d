/* What datasets answer. What a kind does not have is absent, empty or null. */
import type { SchemaField } from '../../api/types';

export interface DatasetRow {
  id: string;
  name: string;
  kind: string;
  status: string;
  rows: number;
  sizeBytes: number;
  splits: Record<string, number>;
  quality: Record<string, number>;
  checks: { passed: number; failed: number };
  versions: { count: number; latest: string };
  createdAt: string;
  updatedAt: string;
}
export interface DatasetColumn {
  name: string;
  dtype?: string;
  type?: string; // the same, of kinds that call it so
  nullPct?: number | null;
  uniquePct?: number | null;
  min?: number | null;
  max?: number | null;
}
export interface Check {
  check: string; // "split" or "left_out"
  of: string;
  passed: boolean;
  value: number;
}
export interface Split {
  fraction: number;
  rows: number;
  games?: number;
}
export type Json = string | number | boolean | null | Json[] | { [key: string]: Json };
export interface DatasetWhole {
  id: string;
  name: string;
  version: string;
  kind: string;
  status: string;
  reason: string | null;
  rows: number;
  sizeBytes: number;
  digest: string | null;
  filter: Record<string, Json> | null;
  split: Record<string, Json> | null;
  tags: Record<string, Json> | null;
  note: string | null;
  runId: string | null;
  createdAt: string;
  manifest: { splits?: Record<string, Split> } | null;
  profile: { schema?: { columns?: DatasetColumn[] }; quality?: Record<string, number>; stats?: Record<string, Json> } | null;
  checks: Check[];
  formats: string[]; // none: this server does not have its rows, or no code that reads them
}
export interface DatasetVersion {
  version: string;
  id: string;
  status: string;
  rows: number;
  createdAt: string;
}
export type SampleRow = Record<string, string | number | boolean | null>;
export interface Import {
  at: string;
  user: string;
  note: string;
  runId: string;
  source: string;
  games: number;
}

export interface DatasetKind {
  kind: string;
  app: string;
  buildJob: string;
  formats: string[];
  filter: { properties: Record<string, SchemaField> };
  split: { properties: Record<string, SchemaField> };
}
export interface Created {
  id: string;
  name: string;
  version: string;
  jobId: string;
  runId: string;
}

declare module '../../api/types' {
  interface Replies {
    'GET /v1/datasets': Items<DatasetRow> & { nextOffset?: number };
    'GET /v1/datasets/kinds': Items<DatasetKind>;
    'GET /v1/datasets/{id}': DatasetWhole;
    'GET /v1/datasets/{id}/versions': Items<DatasetVersion>;
    'GET /v1/datasets/{id}/sample': Items<SampleRow> & { nextCursor: number | null };
    'GET /v1/datasets/{id}/ingest/history': Items<Import>;
    'POST /v1/datasets': Created;
  }
}

/** The page of a dataset; by its id, because names may hold anything. */
export const hrefOf = (id: string) => `/datasets/${encodeURIComponent(id)}`;
