/* The log: searched, filtered, followed. A line opens to all its fields; a run's lines lead to the run. */
import { useEffect, useState } from 'react';
import { call } from '../../api/client';
import { useParam } from '../../app/params';
import { useShortcut } from '../../app/shortcuts';
import { localeOf, useLang, useWords } from '../../i18n';
import { Button, CopyButton, download, EmptyState, ErrorState, Icon, Loading, Page, SelectField, Status, TextField, TextLink } from '../../ui';
import { useLines, type LogFilter, type Numbered } from './lines';
import { words } from './words';

const TYPED_MS = 250;
const levels = ['debug', 'info', 'warn', 'error'] as const;
const ranges = ['15m', '1h', '24h', '7d', '30d'] as const;

/** What components there are, as the log knows them. */
function useComponents(): string[] {
  const [names, setNames] = useState<string[]>([]);
  useEffect(() => {
    const controller = new AbortController();
    call('GET', '/loki/api/v1/label/component/values', { signal: controller.signal })
      .then((reply) => setNames((reply as { data?: string[] }).data ?? []))
      .catch(() => {}); // the list is a help; the filter works without
    return () => controller.abort();
  }, []);
  return names;
}

export default function Logs() {
  const t = useWords(words);
  const { lang } = useLang();
  const [q, setQ] = useParam('q');
  const [level, setLevel] = useParam('level', 'info');
  const [component, setComponent] = useParam('component');
  const [run, setRun] = useParam('run');
  const [range, setRange] = useParam('range', '1h');
  const [followText, setFollow] = useParam('follow');
  const follow = followText === '1';
  const components = useComponents();
  const [typed, setTyped] = useState(q);
  useEffect(() => setTyped(q), [q]);
  useEffect(() => {
    if (typed === q) return;
    const timer = setTimeout(() => setQ(typed), TYPED_MS);
    return () => clearTimeout(timer);
  }, [typed]); // eslint-disable-line react-hooks/exhaustive-deps

  const filter: LogFilter = { q, level, component, run_id: run, range };
  const lines = useLines(filter, follow);
  useShortcut('f', t('followKey'), () => setFollow(follow ? '' : '1'));

  const save = () => download('skerry.ndjson', 'application/x-ndjson', lines.items.map(({ key: _, ...line }) => JSON.stringify(line)).join('\n') + '\n');
  const options = [...new Set([...components, component])].filter(Boolean).sort();
  return (
    <Page
      title={t('title')}
      actions={
        <>
          <Button icon={follow ? 'pause' : 'play'} look={follow ? 'primary' : 'plain'} aria-pressed={follow} onClick={() => setFollow(follow ? '' : '1')}>{follow ? t('following') : t('follow')}</Button>
          <Button look="quiet" icon="download" disabled={lines.items.length === 0} onClick={save}>{t('save')}</Button>
        </>
      }
    >
      <div className="flex flex-wrap items-start gap-2">
        <div className="grow basis-60 max-w-2xl"><TextField label={t('search')} hideLabel type="search" placeholder={t('search')} value={typed} onChange={setTyped} /></div>
        <SelectField label={t('level')} hideLabel value={level} onChange={setLevel} options={levels.map((l) => ({ value: l, label: t(`level_${l}`) }))} />
        <SelectField label={t('component')} hideLabel value={component} onChange={setComponent} options={[{ value: '', label: t('anyComponent') }, ...options.map((c) => ({ value: c, label: c }))]} />
        <SelectField label={t('range')} hideLabel value={range} onChange={setRange} options={ranges.map((r) => ({ value: r, label: t(`range_${r}`) }))} />
        {run && (
          <span className="inline-flex items-center gap-1 card px-2 min-h-8">
            {t('ofRun')} <TextLink href={`/runs/${run}`} className="font-mono">{run.slice(0, 8)}</TextLink>
            <button type="button" aria-label={t('allLines')} title={t('allLines')} className="text-muted hover:text-text p-1" onClick={() => setRun('')}><Icon name="close" /></button>
          </span>
        )}
      </div>
      {lines.error && <ErrorState error={lines.error} />}
      {lines.isFirst && !lines.error ? (
        <Loading />
      ) : lines.items.length === 0 ? (
        !lines.error && <EmptyState icon="logs" title={t('none')}>{follow ? t('noneFollowing') : t('noneNext')}</EmptyState>
      ) : (
        <>
          <p role="status" className="text-muted -my-2">{t('lines', { n: lines.items.length.toLocaleString(lang) })}</p>
          <ol aria-label={t('title')} className="card divide-y divide-line">
            {lines.items.map((line) => <LogRow key={line.key} line={line} />)}
          </ol>
          {!lines.isEnd && <div><Button onClick={() => void lines.older()}>{t('older')}</Button></div>}
        </>
      )}
    </Page>
  );
}

const shownElsewhere = new Set(['key', 'ts', 'time', 'level', 'event', 'msg', 'component', 'username']);

function LogRow({ line }: { line: Numbered }) {
  const { lang } = useLang();
  const t = useWords(words);
  const [open, setOpen] = useState(false);
  const at = new Date(line.ts);
  const time = new Intl.DateTimeFormat(localeOf(lang), { hour: '2-digit', minute: '2-digit', second: '2-digit', fractionalSecondDigits: 3, ...(at.toDateString() === new Date().toDateString() ? {} : { month: 'short', day: 'numeric' }) }).format(at);
  const text = line.msg && line.msg !== line.event ? line.msg : brief(line);
  return (
    <li className="[content-visibility:auto] [contain-intrinsic-block-size:auto_28px]" data-level={line.level}>
      <div className="flex items-start gap-x-2 px-2 py-1">
        <button type="button" aria-expanded={open} aria-label={t('fields', { event: line.event, time })} onClick={() => setOpen(!open)} className="shrink-0 text-muted hover:text-text p-1 -m-1 mt-0"><Icon name={open ? 'down' : 'right'} size={14} /></button>
        <div className="grow min-w-0 flex flex-wrap lg:flex-nowrap gap-x-3 font-mono text-[0.86rem]">
          <time dateTime={line.ts} title={line.ts} className="text-muted whitespace-nowrap">{time}</time>
          <span className="w-16 shrink-0">{line.level === 'info' || line.level === 'debug' ? <span className="text-muted">{line.level}</span> : <Status state={line.level} />}</span>
          <span className="lg:w-24 shrink-0 truncate text-muted">{line.component}</span>
          <span className="shrink-0">{line.event}</span>
          <span className={`min-w-0 ${open ? 'break-words' : 'lg:truncate break-words'} text-muted`}>{text}</span>
        </div>
        {line.run_id && <TextLink href={`/runs/${line.run_id}?tab=log`} className="shrink-0 text-[0.86rem]" label={`${t('run')} ${line.run_id}`}>{t('run')}</TextLink>}
      </div>
      {open && <Fields line={line} />}
    </li>
  );
}

/** Fields of its own, where nobody wrote a sentence. */
function brief(line: Numbered): string {
  return Object.entries(line)
    .filter(([name]) => !shownElsewhere.has(name) && !/_id$/.test(name))
    .map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join(' ');
}

function Fields({ line }: { line: Numbered }) {
  const t = useWords(words);
  const { key: _, time: __, ...rest } = line;
  return (
    <div className="px-8 pb-2">
      <dl className="grid grid-cols-[auto_1fr] gap-x-4 font-mono text-[0.86rem]">
        {Object.entries(rest).map(([name, value]) => (
          <div key={name} className="contents">
            <dt className="text-muted">{name}</dt>
            <dd className="break-all">{typeof value === 'string' ? value : JSON.stringify(value)}</dd>
          </div>
        ))}
      </dl>
      <CopyButton text={() => JSON.stringify(rest)} label={t('copyLine')} />
    </div>
  );
}
