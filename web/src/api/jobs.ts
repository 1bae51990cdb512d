/* The jobs that parts of the page follow, all over one stream of the tab. It is open while somebody follows. A job is asked for when it
 * is followed and whenever the stream begins anew, so nothing is missed that happened before; and once more at its end, because
 * events leave out what may be long. */
import { call, urlOf } from './client';
import { followEvents } from './events';
import type { Job } from './types';

export const jobOver = (state: string) => state === 'succeeded' || state === 'failed' || state === 'stopped';

type Listener = (job: Job) => void;

class Followed {
  readonly listeners = new Set<Listener>();
  private last: Job | null = null; // what was told
  private events = 0;
  private asked = 0;
  private answered = 0; // the number of the newest question with an answer
  constructor(private readonly id: string) {}

  /** An end is told once. */
  private say(job: Job) {
    if (this.last && jobOver(this.last.status) && jobOver(job.status)) return;
    this.last = job;
    for (const listener of [...this.listeners]) listener(job);
  }

  /** As the server has it now, unless something newer came meanwhile. At an end the event must do when there is no answer. */
  async ask(instead?: Job) {
    const events = this.events;
    const no = ++this.asked;
    const isNews = () => events === this.events && no > this.answered;
    try {
      const job = (await call('GET', urlOf('/v1/jobs/{id}', { id: this.id }))) as Job;
      if (!isNews()) return;
      this.answered = no;
      this.say(job);
    } catch {
      if (instead && isNews()) this.say(instead);
    }
  }

  take(job: Job) {
    this.events++;
    if (jobOver(job.status)) void this.ask(job);
    else this.say(job);
  }

  join(listener: Listener) {
    this.listeners.add(listener);
    if (this.last) listener(this.last);
    else void this.ask();
  }
}

const followed = new Map<string, Followed>();
let stop: (() => void) | null = null;

function begin() {
  stop = followEvents('/v1/jobs/events', {
    onEvent: (event) => {
      const job = event.json as Job | undefined;
      if (job) followed.get(job.id)?.take(job);
    },
    onOpen: () => {
      for (const one of followed.values()) void one.ask();
    },
  });
}

export function followJob(id: string, listener: Listener): () => void {
  let one = followed.get(id);
  if (!one) followed.set(id, (one = new Followed(id)));
  one.join(listener);
  if (!stop) begin();
  return () => {
    one.listeners.delete(listener);
    if (one.listeners.size === 0) followed.delete(id);
    // A page that follows the next one joins within the same moment.
    queueMicrotask(() => {
      if (followed.size > 0 || !stop) return;
      stop();
      stop = null;
    });
  };
}
