/* Every setting: what is in force, where it came from, what it would be otherwise, and what it does. */
import { useApi } from '../../api/useApi';
import { useParam } from '../../app/params';
import { useWords } from '../../i18n';
import { Said, useSaid } from '../../i18n/server';
import { CheckField, CopyButton, DataTable, EmptyState, Shown, Status, type Column } from '../../ui';
import type { Setting } from './types';
import { words } from './words';

const DEFAULT = 'default';
const types: Record<string, keyof typeof words.en> = { text: 'type_text', number: 'type_number', 'whole number': 'type_whole', 'true or false': 'type_flag', 'size like 64M': 'type_size' };

export function Effective() {
  const t = useWords(words);
  const say = useSaid('settings');
  const settings = useApi('/v1/settings');
  const [changedText, setChanged] = useParam('changed');
  const isChangedOnly = changedText === '1';
  const fromOf = (s: Setting) => (s.from === DEFAULT ? t('fromDefault') : s.from === 'environment' ? t('fromEnvironment') : s.from);
  const typeOf = (s: Setting) => (types[s.type] ? t(types[s.type]!) : s.type);
  const columns: Column<Setting>[] = [
    { id: 'name', title: t('name'), value: (s) => s.name, cell: (s) => <code className="font-semibold">{s.name}</code>, width: 290, rank: 0 },
    { id: 'value', title: t('value'), value: (s) => s.value, cell: (s) => <Value of={s} from={fromOf(s)} />, width: 240, rank: 0 },
    { id: 'help', title: t('help'), value: (s) => say(s.help, s.name), cell: (s) => <span className="text-muted"><Said by={s.name} of="settings">{s.help}</Said> <span className="whitespace-nowrap">({typeOf(s)})</span></span>, rank: 0 },
    { id: 'from', title: t('from'), value: fromOf, width: 190, hidden: true, exported: true },
    { id: 'default', title: t('otherwise'), value: (s) => s.default, cell: (s) => <code>{s.default || '–'}</code>, width: 150, hidden: true, exported: true },
    { id: 'type', title: t('type'), value: typeOf, width: 130, hidden: true, exported: true },
  ];
  return (
    <Shown of={settings}>
      {({ items }) => (
        <div className="flex flex-col gap-3">
          <p className="text-muted max-w-[90ch]">{t('settingsHint', { home: items.find((s) => s.name === 'SKERRY_HOME')?.value || '~/.skerry' })}</p>
          <DataTable
            name="settings"
            label={t('settings')}
            tall
            stack
            filterLabel={t('search')}
            rows={items.filter((s) => !isChangedOnly || s.from !== DEFAULT)}
            rowKey={(s) => s.name}
            rowData={(s) => ({ 'data-setting': s.name })}
            columns={columns}
            actions={<CheckField label={t('changedOnly')} value={isChangedOnly} onChange={(on) => setChanged(on ? '1' : '')} />}
            empty={isChangedOnly ? undefined : <EmptyState icon="search" title={t('noSetting')} />}
          />
        </div>
      )}
    </Shown>
  );
}

function Value({ of: s, from }: { of: Setting; from: string }) {
  const t = useWords(words);
  const isDefault = s.from === DEFAULT;
  return (
    <span className="flex flex-col items-start gap-0.5">
      <span className="flex flex-wrap items-center gap-2 min-w-0">
        {s.value ? <code className="break-all">{s.value}</code> : <span className="text-muted">{t('empty')}</span>}
        {!isDefault && <Status state="set" tone="live" label={from} />}
        {!isDefault && s.value && s.value !== '(set)' && <CopyButton text={`${s.name}=${s.value}`} />}
      </span>
      {!isDefault && <span className="text-muted text-[0.86rem] break-all">{t('otherwise')}: {s.default ? <code>{s.default}</code> : t('empty')}</span>}
    </span>
  );
}
