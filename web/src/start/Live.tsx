/* Work that goes on: how far it is, how long it takes, and the buttons that stop it. */
import type { Job } from '../api/types';
import { jobOver, useJob } from '../api/useJob';
import { JobButtons } from '../pages/jobs/JobButtons';
import { Said } from '../i18n/server';
import { Progress, Status } from '../ui';

export function Live({ jobId, label, onEnd }: { jobId: string; label: string; onEnd: (job: Job) => void }) {
  const job = useJob(jobId, { onEnd });
  if (!job) return <div className="h-16" />;
  return (
    <div data-job={job.status} className="flex flex-col gap-3">
      <div className="flex flex-wrap items-center gap-2">
        <Status state={job.status} />
        <Said className="text-muted">{job.waitsFor}</Said>
        <span className="grow" />
        <JobButtons job={job} />
      </div>
      {!jobOver(job.status) && <Progress done={job.done} total={job.total} etaSec={job.status === 'running' ? job.etaSec : null} label={label} />}
    </div>
  );
}
