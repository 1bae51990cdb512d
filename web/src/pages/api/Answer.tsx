/* What a call answered: status, time, headers, and the body in lines, as far as it is shown. */
import { useMemo, useState } from 'react';
import { request } from '../../api/client';
import { useLang, useWords } from '../../i18n';
import { Button, CopyButton, download, formatBytes, formatDuration, Section, Spinner, toast } from '../../ui';
import { indent, type Operation } from './document';
import type { Answer as Came } from './useCall';
import { words } from './words';

// A longer text makes a page slow; the whole can be saved.
const SHOWN_MAX = 100_000;

const isText = (type: string) => /^text\/|json|xml|yaml|javascript|openmetrics/.test(type);
const isInLines = (type: string) => /json$/.test(type) && !/ndjson/.test(type);
const toneOf = (status: number) => (status >= 500 || status === 0 ? 'text-bad' : status >= 400 ? 'text-warn' : 'text-good');

export function Answer({ answer, isGoing, operation }: { answer: Came; isGoing: boolean; operation: Operation }) {
  const { lang } = useLang();
  const t = useWords(words);
  const text = useMemo(() => {
    if (!isText(answer.type)) return null;
    const whole = new TextDecoder().decode(answer.bytes);
    return isInLines(answer.type) ? indent(whole) : whole;
  }, [answer.bytes, answer.type]);
  const isLong = answer.isCut || (text?.length ?? 0) > SHOWN_MAX;
  return (
    <Section title={t('answer')} actions={text ? <CopyButton text={text} label={t('copyAnswer')} /> : undefined}>
      <p role="status" className="flex flex-wrap items-center gap-x-3 gap-y-1" data-status={answer.status}>
        {answer.status ? <strong className={`font-mono ${toneOf(answer.status)}`}>{answer.status} {answer.statusText}</strong> : <span className="text-bad">{t('noAnswer')} {answer.error}</span>}
        <span className="text-muted">{t('took')} {formatDuration(answer.ms / 1000, lang)}</span>
        {answer.status > 0 && <span className="text-muted">{formatBytes(answer.bytes.length, lang)}{answer.isCut ? '+' : ''}</span>}
        {answer.url && <span className="text-muted break-all">{t('redirected', { url: answer.url })}</span>}
      </p>
      {isGoing && <Spinner label={t('coming')} />}
      {answer.headers.length > 0 && (
        <details className="my-2">
          <summary className="min-h-6 text-accent">{t('headers', { n: answer.headers.length })}</summary>
          <dl className="font-mono text-[0.86rem]">
            {answer.headers.map(([name, value]) => <div key={name} className="break-all"><dt className="inline text-muted">{name}: </dt><dd className="inline">{value}</dd></div>)}
          </dl>
        </details>
      )}
      {answer.status > 0 && answer.bytes.length === 0 && !isGoing && <p className="text-muted">{t('noBody')}</p>}
      {answer.bytes.length > 0 && text === null && <p className="text-muted">{t('bytes', { type: answer.type || '?' })}</p>}
      {text && <pre tabIndex={0} role="group" aria-label={t('answer')} className="bg-raised rounded-md p-3 max-h-[32rem] overflow-auto text-[0.86rem] whitespace-pre-wrap break-words" data-body>{text.slice(0, SHOWN_MAX)}</pre>}
      {isLong && <p className="text-muted mt-1">{t('cut', { n: formatBytes(Math.min(SHOWN_MAX, text?.length ?? answer.bytes.length), lang) })}</p>}
      {(isLong || (text === null && answer.bytes.length > 0)) && operation.method === 'GET' && <SaveAll address={answer.address} name={operation.operationId} />}
    </Section>
  );
}

function SaveAll({ address, name }: { address: string; name: string }) {
  const t = useWords(words);
  const [busy, setBusy] = useState(false);
  const save = async () => {
    setBusy(true);
    try {
      download(name, 'application/octet-stream', await (await request(address)).blob());
    } catch (error) {
      toast.error(error);
    } finally {
      setBusy(false);
    }
  };
  return <p className="mt-2"><Button icon="download" busy={busy} onClick={() => void save()}>{t('saveAll')}</Button></p>;
}
