/* What the server can train, evaluate and let play, and what each takes: forms are made of it, and know no app. */
import type { SchemaField } from '../api/types';

export interface ModelKind {
  kind: string;
  app: string;
  title: string;
  datasetKind: string;
  needsDataset: boolean;
  trainAt: string;
  training: { properties: Record<string, SchemaField> };
  suites: string[];
  evaluation: { properties: Record<string, SchemaField> };
  matchAt: string | null;
  match: { properties: Record<string, SchemaField> };
}

/** What POST answers for work that was begun. */
export interface Begun {
  jobId: string;
  runId: string;
}

declare module '../api/types' {
  interface Replies {
    'GET /v1/trainings/kinds': Items<ModelKind>;
  }
}
