/* A build that goes on, as its job tells it step by step. */
import type { Job } from '../../api/types';
import { useJob } from '../../api/useJob';
import { useWords } from '../../i18n';
import { Said } from '../../i18n/server';
import { Progress, Status } from '../../ui';
import { words } from './words';

export function Build({ jobId, name, onEnd }: { jobId: string; name: string; onEnd: (job: Job) => void }) {
  const t = useWords(words);
  const job = useJob(jobId, { onEnd });
  return (
    <div data-job={job?.status} className="flex flex-col gap-2">
      {job && <p className="flex flex-wrap items-center gap-2"><Status state={job.status} /><Said>{job.waitsFor}</Said></p>}
      <Progress done={job?.done ?? 0} total={job?.total ?? 0} etaSec={job?.status === 'running' ? job.etaSec : null} label={t('progressOf', { name })} />
    </div>
  );
}
