/* What the registry and the serving families answer. */
import type { ServingFamily, ServingSlot } from '../../api/types';

export type Family = ServingFamily;
export type Slot = ServingSlot;
export interface Model {
  modelId: string;
  displayName: string;
  kind: string;
  latestVersion: number;
  tags: Record<string, string>;
}
export interface Version {
  modelId: string;
  modelVersion: string;
  id: string;
  aliases: string;
  digest: string;
  sizeBytes: number;
  kind: string;
  metrics: Record<string, number | string> | null;
  runId: string;
  datasetId: string;
  createdAt: string;
}
export interface Promotion {
  alias: string;
  from: number;
  to: number;
  by: string;
  reason: string;
  at: string;
}
export interface Decision {
  id: number;
  at: string;
  decision: string;
  reordered: boolean;
  reason: string;
  by: string;
  source: string;
  runId: string;
  slots: { alias: string; versionBefore: number; versionAfter: number }[];
}
export interface Hour {
  hour: string;
  alias: string;
  version: number;
  accuracy: number | null;
}
export interface History {
  family: string;
  decisions: Decision[];
  hours: Hour[];
}

declare module '../../api/types' {
  interface Replies {
    'GET /v1/models': Model[];
    'GET /v1/models/{id}/versions': Version[];
    'GET /v1/models/{id}/promotions': Items<Promotion>;
    'GET /v1/serving/{family}/history': History;
  }
}

/** How much of a family's history is asked for; both that ask share one answer. */
export const HISTORY = { hours: 48, limit: 50 };

/** "prod, best" as the API lists them. */
export const aliasesOf = (version: Version): string[] => version.aliases.split(/[,\s]+/).filter(Boolean);
