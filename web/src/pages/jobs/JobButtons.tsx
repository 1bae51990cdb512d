/* What can be done with a job now: as buttons with words on its page, as icons in a row of a table. */
import { api } from '../../api/client';
import type { Job } from '../../api/types';
import { invalidate } from '../../api/useApi';
import { jobOver } from '../../api/useJob';
import { useWords } from '../../i18n';
import { Button, confirm, IconButton, useAction, type IconName } from '../../ui';
import { words } from './words';

type Action = 'stop' | 'pause' | 'resume' | 'replay';
const icons: Record<Action, IconName> = { stop: 'stop', pause: 'pause', resume: 'play', replay: 'retry' };

/** The server has the last word; these are the ones that it would not refuse. */
function actionsOf(job: Job): Action[] {
  if (job.status === 'failed' || job.status === 'stopped') return ['replay'];
  if (jobOver(job.status)) return [];
  return job.status === 'paused' || job.pauseWanted ? ['resume', 'stop'] : ['pause', 'stop'];
}

export function JobButtons({ job, compact = false }: { job: Job; compact?: boolean }) {
  const t = useWords(words);
  const { busy, act } = useAction();
  const tell = async (action: Action) => {
    if (action === 'stop' && !(await confirm({ title: t('stopTitle', { kind: job.kind }), text: t('stopText'), action: t('stop'), danger: true }))) return;
    await act(action, () => api('POST', '/v1/jobs/{id}/control', { path: { id: job.id }, body: { action } }), t(`told_${action}`));
    invalidate('/v1/jobs');
  };
  return (
    <>
      {actionsOf(job).map((action) =>
        compact ? (
          <IconButton key={action} needs="POST /v1/jobs/{id}/control" icon={icons[action]} label={t('actionOf', { action: t(action), kind: job.kind, id: job.id.slice(-6) })} disabled={busy !== null || (action === 'stop' && job.stopWanted)} onClick={() => void tell(action)} />
        ) : (
          <Button key={action} needs="POST /v1/jobs/{id}/control" icon={icons[action]} look={action === 'stop' ? 'danger' : action === 'replay' ? 'primary' : 'plain'} busy={busy === action} disabled={busy !== null || (action === 'stop' && job.stopWanted)} onClick={() => void tell(action)}>{t(action)}</Button>
        ),
      )}
    </>
  );
}
