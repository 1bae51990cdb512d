/* The rows as a file. Without a key it is a link, and the browser writes it to the disk as it comes; with one, a link cannot carry
 * the key, so the page fetches it. */
import { useState } from 'react';
import { apiKey, request, urlOf } from '../../api/client';
import { useStore } from '../../app/store';
import { useLang, useWords } from '../../i18n';
import { Button, CopyButton, download, formatNumber, Icon, Section, SelectField, toast } from '../../ui';
import type { DatasetWhole } from './types';
import { words } from './words';

const link = 'inline-flex items-center justify-center gap-1.5 rounded-md px-2.5 min-h-8 font-medium whitespace-nowrap no-underline bg-surface border border-edge text-text hover:bg-raised';

export function Export({ of }: { of: DatasetWhole }) {
  const t = useWords(words);
  const { lang } = useLang();
  const [split, setSplit] = useState('');
  const splits = Object.entries(of.manifest?.splits ?? {}).filter(([, s]) => s.rows > 0);
  return (
    <Section title={t('export')}>
      <div className="flex flex-col gap-4">
        {splits.length > 1 && (
          <div className="max-w-72">
            <SelectField label={t('splits')} value={split} onChange={setSplit} options={[{ value: '', label: t('allSplits') }, ...splits.map(([name, s]) => ({ value: name, label: t('splitOption', { name, n: formatNumber(s.rows, lang) }) }))]} />
          </div>
        )}
        <ul className="flex flex-col gap-3">
          {of.formats.map((format) => (
            <li key={format} className="flex flex-wrap items-center gap-x-4 gap-y-1">
              <Save of={of} format={format} split={split} />
              <span className="text-muted grow basis-60">{(`x_${format}` as keyof typeof words.en) in words.en ? t(`x_${format}` as keyof typeof words.en) : ''}</span>
            </li>
          ))}
        </ul>
        <Curl of={of} format={of.formats.includes('ndjson') ? 'ndjson' : of.formats[0]!} split={split} />
      </div>
    </Section>
  );
}

const addressOf = (of: DatasetWhole, format: string, split: string) => urlOf('/v1/datasets/{id}/export', { id: of.id }, { format, split });

function Save({ of, format, split }: { of: DatasetWhole; format: string; split: string }) {
  const t = useWords(words);
  const key = useStore(apiKey);
  const [busy, setBusy] = useState(false);
  const address = addressOf(of, format, split);
  const name = `${of.name}-${of.version}${split && `-${split}`}.${format}`;
  const label = t('exportAs', { format: format.toUpperCase() });
  const save = async () => {
    setBusy(true);
    try {
      const reply = await request(address);
      download(name, reply.headers.get('Content-Type') ?? 'application/octet-stream', await reply.blob());
    } catch (error) {
      toast.error(error);
    } finally {
      setBusy(false);
    }
  };
  if (key) return <Button icon="download" busy={busy} onClick={() => void save()}>{label}</Button>;
  return (
    <a href={address} download={name} className={link}>
      <Icon name="download" />
      {label}
    </a>
  );
}

function Curl({ of, format, split }: { of: DatasetWhole; format: string; split: string }) {
  const t = useWords(words);
  const key = useStore(apiKey);
  const command = `curl -fOJ ${key ? '-H "X-Api-Key: $SKERRY_KEY" ' : ''}'${location.origin}${addressOf(of, format, split)}'`;
  return (
    <div>
      <p className="text-muted mb-1">{t('curl')}</p>
      <div className="flex flex-wrap items-center gap-2">
        <code className="break-all bg-raised rounded-md px-2 py-1">{command}</code>
        <CopyButton text={command} />
      </div>
    </div>
  );
}
