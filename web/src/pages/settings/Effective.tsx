/* Every setting: what is in force, where it came from, what it would be otherwise, and what it does. */
import { useApi } from '../../api/useApi';
import { useParam } from '../../app/params';
import { useLang, useWords } from '../../i18n';
import { CheckField, CopyButton, EmptyState, Shown, Status, TextField } from '../../ui';
import type { Setting } from './types';
import { words } from './words';

const DEFAULT = 'default';

export function Effective() {
  const t = useWords(words);
  const { lang } = useLang();
  const settings = useApi('/v1/settings');
  const [q, setQ] = useParam('q');
  const [changedText, setChanged] = useParam('changed');
  const isChangedOnly = changedText === '1';
  const wanted = q.toLowerCase().split(/\s+/).filter(Boolean);
  const matches = (s: Setting) => {
    const text = `${s.name} ${s.help} ${s.value} ${s.from}`.toLowerCase();
    return (!isChangedOnly || s.from !== DEFAULT) && wanted.every((word) => text.includes(word));
  };
  return (
    <Shown of={settings}>
      {({ items }) => {
        const shown = items.filter(matches);
        const home = items.find((s) => s.name === 'SKERRY_HOME')?.value || '~/.skerry';
        return (
          <div className="flex flex-col gap-3">
            <p className="text-muted max-w-[90ch]">{t('settingsHint', { home })}</p>
            <div className="flex flex-wrap items-center gap-x-4 gap-y-2">
              <div className="grow max-w-96"><TextField label={t('search')} hideLabel type="search" placeholder={t('search')} value={q} onChange={setQ} /></div>
              <CheckField label={t('changedOnly')} value={isChangedOnly} onChange={(on) => setChanged(on ? '1' : '')} />
              <span role="status" className="text-muted">{t('nOf', { n: shown.length.toLocaleString(lang), all: items.length.toLocaleString(lang) })}</span>
            </div>
            {shown.length === 0 ? (
              <EmptyState icon="search" title={t('noSetting')} />
            ) : (
              <ul aria-label={t('settings')} className="card divide-y divide-line">{shown.map((s) => <OneSetting key={s.name} setting={s} />)}</ul>
            )}
          </div>
        );
      }}
    </Shown>
  );
}

function OneSetting({ setting: s }: { setting: Setting }) {
  const t = useWords(words);
  const isDefault = s.from === DEFAULT;
  const from = s.from === 'environment' ? t('fromEnvironment') : s.from;
  return (
    <li data-setting={s.name} className="p-3 grid gap-x-6 gap-y-1 md:grid-cols-[minmax(16rem,2fr)_3fr_3fr] [content-visibility:auto] [contain-intrinsic-block-size:auto_64px]">
      <span className="flex items-start gap-1 min-w-0"><code className="font-semibold break-all pt-1">{s.name}</code></span>
      <span className="min-w-0 flex flex-col items-start gap-0.5">
        <span className="flex flex-wrap items-center gap-2 min-w-0">
          {s.value ? <code className="break-all">{s.value}</code> : <span className="text-muted">{t('empty')}</span>}
          {!isDefault && <Status state="set" tone="live" label={from} />}
          {!isDefault && s.value && s.value !== '(set)' && <CopyButton text={`${s.name}=${s.value}`} />}
        </span>
        {!isDefault && <span className="text-muted text-[0.86rem] break-all">{t('otherwise')} {s.default ? <code>{s.default}</code> : t('empty')}</span>}
      </span>
      <span className="text-muted min-w-0 break-words">{s.help} <span className="whitespace-nowrap">({s.type})</span></span>
    </li>
  );
}
