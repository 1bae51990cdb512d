/* Shapes of replies that the OpenAPI document calls only "object". One line in `Replies` types a call everywhere:
 * api('GET', path) and useApi(path) then give that type. */

export interface Items<T> {
  items: T[];
}

export interface Page {
  app: string;
  path: string;
  title: string;
}
export interface Ui {
  version: string;
  commit: string;
  built: boolean;
  startedAt: string;
  pages: Page[];
}

export interface ServerStatus {
  version: string;
  commit: string;
  infra: string;
  store: string;
  residentBytes: number;
  startedAt: string;
  lastBackupAt: string | null;
  lastVerifiedBackupAt: string | null;
  apps: Record<string, unknown>;
  games: number;
  datasets: number;
  latestDataset: string | null;
  lastRun: string | null;
  lastRunStatus: string | null;
  prod: string | null;
  serveLatencyP50Ms: number | null;
  failedJobs: number;
  text: string;
}

export interface Dependency {
  status: 'up' | 'down';
  detail: string;
}
export interface Health {
  status: 'ok' | 'degraded';
  store: Dependency;
  blobs: Dependency;
  disk: Dependency;
}

export type JobState = 'waiting' | 'queued' | 'running' | 'paused' | 'succeeded' | 'failed' | 'stopped';
/** One thing that a form asks for, in JSON Schema. */
export interface SchemaField {
  type?: 'string' | 'integer' | 'number' | 'boolean' | 'array' | 'object';
  enum?: string[];
  items?: { type?: string; enum?: string[] };
  format?: string;
  minimum?: number;
  maximum?: number;
  default?: number | string | boolean;
  suites?: string[]; // of evaluations that take it; absent: all
}

export interface Job {
  id: string;
  kind: string;
  status: JobState;
  runId: string;
  username: string;
  priority: number;
  attempts: number;
  triesMax: number;
  pauseWanted: boolean;
  stopWanted: boolean;
  done: number;
  total: number;
  etaSec: number | null;
  payload: unknown;
  result: unknown;
  error: string | null;
  errorCode: string | null; // its kind: "invalid", "io"
  createdAt: string;
  startedAt: string | null;
  finishedAt: string | null;
  nextTryAt: string | null;
  waitsFor?: string | null;
}

export interface JobCounts {
  count: number;
  byStatus: Record<JobState, number>;
}
export interface JobChange {
  at: string;
  event: string;
  from: string;
  to: string;
  attempt: number;
  tookMs: number | null;
  worker: string;
  detail: string;
}
export interface Finding {
  what: string;
  good: boolean;
  state: string;
  nextStep: string | null;
}

export interface Run {
  runId: string;
  name: string;
  experimentId: string;
  component: string;
  status: string;
  username: string;
  jobId: string;
  jobKind: string;
  datasetId: string;
  modelId: string;
  startedAt: string | null;
  finishedAt: string | null;
  error: string | null;
}

export interface RunAsset {
  type: 'dataset' | 'model';
  id: string;
  name: string;
  version: string;
  digest: string | null;
  context: string;
}
export interface RunDetail extends Run {
  params: Record<string, string>;
  metrics: Record<string, number | null>; // the latest of each
  tags: Record<string, string>;
  inputs: RunAsset[];
  outputs: RunAsset[];
}
export interface Artifact {
  path: string;
  digest: string;
  sizeBytes: number;
  createdAt: string;
}
export interface LogLine {
  ts: string;
  level: string;
  event: string;
  msg: string;
  component?: string;
  run_id?: string;
  [field: string]: unknown;
}

export interface MetricPoint {
  step: number;
  value: number | null;
  ts: number;
  time: string;
}

export interface ActiveModel {
  alias?: string;
  family?: string;
  modelId: string;
  modelVersion: string | number;
  parameters?: number;
  flavour?: string;
  bytes?: number;
  loadedAt: string;
}

export interface ServingSlot {
  alias: string;
  aliasVersion: number;
  version: number;
  loaded: boolean;
  since: string | null;
  loadedAt: string | null;
  failure: string | null;
  predictions: number;
  judged: number;
  correct: number;
  accuracy: number | null;
  logLoss: number | null;
  calibrationError: number | null;
  outcomes: number;
  wins: number;
  driftInputs: number | null;
  driftPredictions: number | null;
}
export interface ServingFamily {
  family: string;
  modelId: string;
  help: string;
  ratio: number;
  byOutcome: boolean;
  windowHours: number;
  slots: ServingSlot[];
}

export interface Me {
  keys?: number;
  username?: string;
  role?: string;
  roles?: string[];
}

export interface Permission {
  app: string;
  method: string;
  path: string;
  access: 'public' | 'viewer' | 'analyst' | 'admin';
  summary: string;
}

export interface Replies {
  'GET /v1/ui': Ui;
  'GET /v1/status': ServerStatus;
  'GET /health/deps': Health;
  'GET /v1/jobs': Items<Job>;
  'GET /v1/jobs/{id}': Job;
  'GET /v1/jobs/count': JobCounts;
  'GET /v1/jobs/{id}/history': Items<JobChange>;
  'GET /v1/doctor': Items<Finding>;
  'GET /v1/runs': Items<Run>;
  'GET /v1/runs/{runId}': RunDetail;
  'GET /v1/runs/{runId}/artifacts': Items<Artifact>;
  'GET /v1/logs': Items<LogLine>;
  'GET /v1/runs/{runId}/metrics/{key}': { runId: string; key: string; points: MetricPoint[] };
  'GET /v1/models/active': Items<ActiveModel>;
  'GET /v1/serving': Items<ServingFamily>;
  'GET /v1/users/me': Me;
  'GET /v1/permissions': Items<Permission>;
}
