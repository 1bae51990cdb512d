/* A job as it goes, until it is over.
 *
 *   const job = useJob(id, { onEnd: (job) => toast.ok(job.status) });   // null as id: none yet
 */
import { useEffect, useRef, useState } from 'react';
import { followJob, jobOver } from './jobs';
import type { Job } from './types';

export { jobOver };

export function useJob(id: string | null, { onStep, onEnd }: { onStep?: () => void; onEnd?: (job: Job) => void } = {}): Job | null {
  const [seen, setSeen] = useState<{ id: string; job: Job } | null>(null);
  const handlers = useRef({ onStep, onEnd });
  handlers.current = { onStep, onEnd };
  useEffect(() => {
    if (id === null) return;
    return followJob(id, (job) => {
      setSeen({ id, job });
      handlers.current.onStep?.();
      if (jobOver(job.status)) handlers.current.onEnd?.(job);
    });
  }, [id]);
  return seen && seen.id === id ? seen.job : null; // never that of the job before
}
