/* How I like to play: what a new game begins with when I say nothing else. The theme and the language are up in the frame. */
import { useState } from 'react';
import { api, type Answer } from '../../api/client';
import { invalidate, useApi } from '../../api/useApi';
import { useWords } from '../../i18n';
import { Button, CheckField, NumberField, Section, SelectField, Shown, useAction } from '../../ui';
import { words } from './words';

type Prefs = Answer<'GET', '/v1/users/me/prefs'>;

export function Preferences() {
  const t = useWords(words);
  const prefs = useApi('/v1/users/me/prefs');
  const me = useApi('/v1/users/me');
  return (
    <Section title={t('prefsOf', { user: me.data?.username ?? '…' })} className="max-w-xl">
      <Shown of={prefs}>{(p) => <PrefsForm prefs={p} />}</Shown>
    </Section>
  );
}

function PrefsForm({ prefs }: { prefs: Prefs }) {
  const t = useWords(words);
  const { busy, act } = useAction();
  const [temperature, setTemperature] = useState<number | null>(prefs.temperature ?? null);
  const [topk, setTopk] = useState<number | null>(prefs.topk ?? null);
  const [board, setBoard] = useState<'white' | 'black'>(prefs.boardOrientation === 'black' ? 'black' : 'white');
  const [training, setTraining] = useState(prefs.useGameAsTraining ?? true);
  const isReady = temperature !== null && topk !== null;
  const save = async () => {
    if (!isReady) return;
    await act('save', () => api('PUT', '/v1/users/me/prefs', { body: { temperature, topk, boardOrientation: board, useGameAsTraining: training } }), t('saved'));
    invalidate('/v1/users/me');
  };
  return (
    <form className="flex flex-col gap-3" onSubmit={(event) => { event.preventDefault(); void save(); }}>
      <p className="text-muted">{t('prefsHint')}</p>
      <NumberField label={t('temperature')} hint={t('temperatureHint')} value={temperature} onChange={setTemperature} min={0} max={10} step={0.05} required />
      <NumberField label={t('topk')} hint={t('topkHint')} value={topk} onChange={setTopk} min={0} max={256} step={1} required />
      <SelectField label={t('board')} value={board} onChange={setBoard} options={[{ value: 'white', label: t('white') }, { value: 'black', label: t('black') }]} />
      <CheckField label={t('useForTraining')} value={training} onChange={setTraining} />
      <div><Button needs="PUT /v1/users/me/prefs" type="submit" look="primary" disabled={!isReady} busy={busy !== null}>{t('save')}</Button></div>
    </form>
  );
}
