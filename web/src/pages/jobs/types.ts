/* Replies about schedules, workers and what leaves, as far as they are shown. */
export interface Schedule {
  name: string;
  cron: string;
  kind: string;
  lastJobId: string;
  lastStatus: string;
  lastAt: string | null;
  nextAt: string | null;
}
export interface Worker {
  name: string;
  id: string;
  role: string;
  state: 'active' | 'draining' | 'gone';
  version: string;
  cores: number;
  memoryBytes: number;
  gpu: string | null;
  jobsMax: number;
  jobsRunning: number;
  startedAt: string;
  seenAt: string;
  kinds: string[];
}
export interface Destination {
  destination: string;
  takes: string;
  breaker: string;
  sent: number;
  waiting: number;
  waitingBytes: number;
  oldestAt: string | null;
  dead: number;
  lost: number;
  lastSentAt: string | null;
  lastFailedAt: string | null;
  error: string | null;
}
export interface Letter {
  id: number;
  eventId?: string;
  type?: string;
  subject?: string;
  at: string;
  refusedAt: string;
  why: string;
  data?: unknown;
  line?: unknown;
}

declare module '../../api/types' {
  interface Replies {
    'GET /v1/schedules': Items<Schedule>;
    'GET /v1/workers': Items<Worker>;
    'GET /v1/outbox': Items<Destination>;
    'GET /v1/outbox/{destination}/dead': Items<Letter>;
    'POST /v1/outbox/{destination}/replay': { count: number };
    'DELETE /v1/outbox/{destination}/dead': { count: number };
  }
}
