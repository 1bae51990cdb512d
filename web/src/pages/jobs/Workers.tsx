/* The processes that do jobs, on all machines. One can be drained: it takes no new job and ends what it has. */
import { api } from '../../api/client';
import { invalidate, useApi } from '../../api/useApi';
import { useWords } from '../../i18n';
import { Button, Bytes, confirm, EmptyState, Facts, Section, Shown, Status, Time, useAction } from '../../ui';
import type { Worker } from './types';
import { words } from './words';

export function Workers() {
  const t = useWords(words);
  const workers = useApi('/v1/workers', {}, { poll: 3000 });
  return (
    <>
      <p className="text-muted mb-3">{t('workersHint')}</p>
      <Shown of={workers}>
        {({ items }) =>
          items.length ? <div className="grid gap-4 lg:grid-cols-2">{items.map((w) => <OneWorker key={w.id} worker={w} />)}</div> : <EmptyState icon="jobs" title={t('noWorkers')}>{t('noWorkersNext')}</EmptyState>
        }
      </Shown>
    </>
  );
}

const tones = { active: 'good', draining: 'warn', gone: 'idle' } as const;

function OneWorker({ worker: w }: { worker: Worker }) {
  const t = useWords(words);
  const { busy, act } = useAction();
  const tell = async (action: 'drain' | 'resume') => {
    if (action === 'drain' && !(await confirm({ title: t('drainTitle', { name: w.name }), text: w.role === 'work' ? t('drainWork') : t('drainServe'), action: t('drain') }))) return;
    // The id, not the name: several may have one name.
    await act(action, () => api('POST', '/v1/workers/{name}/control', { path: { name: w.id }, body: { action } }), t(`told_${action}`));
    invalidate('/v1/workers');
  };
  return (
    <Section
      title={w.name}
      actions={
        <span className="flex items-center gap-2">
          <Status state={w.state} label={t(w.state === 'active' ? 'takesJobs' : w.state)} tone={tones[w.state]} />
          {w.state === 'active' && <Button needs="POST /v1/workers/{name}/control" busy={busy !== null} onClick={() => void tell('drain')}>{t('drain')}</Button>}
          {w.state === 'draining' && <Button needs="POST /v1/workers/{name}/control" busy={busy !== null} onClick={() => void tell('resume')}>{t('takeAgain')}</Button>}
        </span>
      }
    >
      <Facts
        of={[
          [t('role'), w.role === 'serve' ? t('roleServe') : t('roleWork')],
          [t('has'), t('ofPlaces', { n: w.jobsRunning, max: w.jobsMax })],
          [t('machine'), <span key="m">{t('cores', { n: w.cores })}, <Bytes value={w.memoryBytes} />{w.gpu ? `, ${w.gpu}` : ''}</span>],
          [t('version'), w.version],
          [t('seen'), <Time key="s" at={w.seenAt} ago />],
          [t('since'), <Time key="t" at={w.startedAt} />],
          [t('takes'), w.kinds.join(', ') || t('nothing')],
        ]}
      />
    </Section>
  );
}
