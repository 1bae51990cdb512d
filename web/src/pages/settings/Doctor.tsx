/* What `skerry doctor` says: what is well, what is not, and the next step. Reading the whole store takes a while, so it is asked for. */
import { useState } from 'react';
import { api } from '../../api/client';
import type { Finding } from '../../api/types';
import { useApi } from '../../api/useApi';
import { useWords } from '../../i18n';
import { Said } from '../../i18n/server';
import { Button, Shown, Status, Time, useAction } from '../../ui';
import { words } from './words';

export function Doctor() {
  const t = useWords(words);
  const quick = useApi('/v1/doctor', {}, { poll: 15000 });
  const [whole, setWhole] = useState<{ items: Finding[]; at: number } | null>(null);
  const { busy, act } = useAction();
  const examine = () => act('examine', async () => setWhole({ ...(await api('GET', '/v1/doctor', { query: { thorough: true } })), at: Date.now() }));
  return (
    <div className="flex flex-col gap-3">
      <div className="flex flex-wrap items-center justify-between gap-3">
        <p className="text-muted">{t('doctorHint')}</p>
        <Button needs="admin" icon="search" busy={busy !== null} onClick={() => void examine()}>{t('thorough')}</Button>
      </div>
      {whole && <p role="status">{t('examined')} <Time at={whole.at} /></p>}
      <Shown of={quick}>
        {({ items }) => (
          <ul aria-label={t('doctor')} className="card divide-y divide-line">
            {(whole?.items ?? items).map((f) => (
              <li key={f.what} className="p-3 flex flex-wrap items-center gap-x-4 gap-y-1">
                <Said className="w-32 font-medium">{f.what}</Said>
                <Status state={f.good ? 'ok' : 'failed'} label={f.good ? t('good') : t('bad')} />
                <Said or={f.good ? undefined : 'english'} className="min-w-0 break-words">{f.state}</Said>
                {f.nextStep && <span className="basis-full text-muted break-words">{t('nextStep')} <Said>{f.nextStep}</Said></span>}
              </li>
            ))}
          </ul>
        )}
      </Shown>
    </div>
  );
}
