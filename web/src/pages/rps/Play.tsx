/* A new game: against whom, under which name. It is played at its own address. */
import { useState } from 'react';
import { useLocation } from 'wouter';
import { api } from '../../api/client';
import { useApi } from '../../api/useApi';
import { remember, remembered } from '../../app/memory';
import { useParam } from '../../app/params';
import { useWords } from '../../i18n';
import { Button, Section, SelectField, TextField, useAction } from '../../ui';
import { words } from './words';

const RULES = ['ace', 'bob', 'cal', 'dan', 'edd', 'fox', 'gus', 'hal'];

export function Play() {
  const t = useWords(words);
  const [, navigate] = useLocation();
  const [policy, setPolicy] = useParam('policy', 'brian');
  const [name, setName] = useState(remembered('rps.name') ?? '');
  const { busy, act } = useAction();
  const models = useApi('/v1/rps/policies');
  const modelNames = (models.data as string[] | undefined) ?? ['brian', 'forrest', 'logan'];
  const start = () =>
    act('start', async () => {
      remember('rps.name', name || null);
      const game = await api('POST', '/v1/rps/start_game', { body: { policy, player_name: name || 'Player' } as never });
      navigate(`/rps/${game.game_id}`);
    });
  return (
    <Section title={t('play')}>
      <p className="text-muted mb-3 max-w-[70ch]">{t('intro')}</p>
      <form className="grid gap-3 sm:grid-cols-[1fr_1fr_auto] sm:items-end max-w-3xl" onSubmit={(e) => { e.preventDefault(); void start(); }}>
        <TextField label={t('name')} value={name} onChange={setName} maxLength={40} autoComplete="nickname" />
        <SelectField label={t('opponent')} value={policy} onChange={setPolicy} options={[...modelNames.map((p) => ({ value: p, label: t('byModel', { name: p }) })), ...RULES.map((p) => ({ value: p, label: t('byRule', { name: p }) }))]} />
        <Button needs="POST /v1/rps/start_game" look="primary" icon="play" type="submit" busy={busy !== null}>{t('start')}</Button>
      </form>
    </Section>
  );
}
