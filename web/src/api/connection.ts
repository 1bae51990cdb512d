/* Is the server there? Every call tells; while it is not, and now and then when nobody calls, we ask. After an interruption
 * `generation` moves, and everything on the page is asked anew. */
import { Store } from '../app/store';

export interface Connection {
  state: 'online' | 'offline';
  generation: number; // moves when the server is back, or is another one
  isNewBuild: boolean; // what serves is not what this page was loaded from
}

const RETRY_FIRST_MS = 500;
const RETRY_MAX_MS = 5000;
const FIRST_MS = 1000;
// A page that nobody touches notices a restart within this.
const HEARTBEAT_MS = 10000;

export const connectionState = new Store<Connection>({ state: 'online', generation: 0, isNewBuild: false });

let timer: ReturnType<typeof setTimeout> | undefined;
let wait = RETRY_FIRST_MS;
let startedAt = '';
let build = '';

function schedule(ms: number) {
  clearTimeout(timer);
  timer = setTimeout(() => void probe(), ms);
}

async function probe() {
  if (document.hidden) return schedule(HEARTBEAT_MS);
  try {
    const reply = await fetch('/v1/ui', { cache: 'no-store' });
    if (!reply.ok) throw new Error(String(reply.status));
    const now = (await reply.json()) as { version: string; commit: string; startedAt: string };
    const nowBuild = `${now.version} ${now.commit}`;
    const isOther = startedAt !== '' && startedAt !== now.startedAt;
    const wasAway = connectionState.get().state === 'offline';
    // Only a change is told: whoever watches asks everything anew.
    if (isOther || wasAway)
      connectionState.update((c) => ({
        state: 'online',
        generation: c.generation + 1,
        isNewBuild: c.isNewBuild || (build !== '' && build !== nowBuild),
      }));
    startedAt = now.startedAt;
    build ||= nowBuild;
    wait = RETRY_FIRST_MS;
    schedule(HEARTBEAT_MS);
  } catch {
    connectionState.update((c) => (c.state === 'offline' ? c : { ...c, state: 'offline' }));
    schedule(wait);
    wait = Math.min(wait * 1.6, RETRY_MAX_MS);
  }
}

export const connection = {
  start: () => schedule(FIRST_MS), // what is shown first has the server for itself
  retryNow() {
    wait = RETRY_FIRST_MS;
    schedule(0);
  },
  lost() {
    if (connectionState.get().state === 'offline') return;
    connectionState.update((c) => ({ ...c, state: 'offline' }));
    connection.retryNow();
  },
  answered() {
    // The probe alone says that all is well again: it knows whether this is the same server.
    if (connectionState.get().state === 'offline') connection.retryNow();
  },
};

document.addEventListener('visibilitychange', () => {
  if (!document.hidden) schedule(0);
});
