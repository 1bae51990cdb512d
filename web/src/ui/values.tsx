/* Values as people read them: Time, Duration, Bytes, Num, Status, Progress. */
import { useEffect, useState } from 'react';
import { Store, useStore } from '../app/store';
import { localeOf, useLang, useWords, type Lang } from '../i18n';
import { words } from '../i18n/words';
import { inGroups, inPercent, inWords, withPoint } from '../i18n/writing';

/* ---------------------------------------------------------------- time */

const clock = new Store(Date.now());
let watchers = 0;
let ticking: ReturnType<typeof setInterval> | undefined;

/** The time, moved on every 10 seconds for all that say "3 minutes ago". */
export function useNow(): number {
  useEffect(() => {
    if (watchers++ === 0) ticking = setInterval(() => clock.set(Date.now()), 10000);
    if (Date.now() - clock.get() > 1000) clock.set(Date.now()); // not for each of many that come at once
    return () => {
      if (--watchers === 0) clearInterval(ticking);
    };
  }, []);
  return useStore(clock);
}

export const formatAgo = (ms: number, now: number, lang: Lang) => inWords(Math.round((ms - now) / 1000), lang);

export function formatTime(ms: number, lang: Lang, isToday: boolean): string {
  const style: Intl.DateTimeFormatOptions = isToday ? { timeStyle: 'medium' } : { dateStyle: 'medium', timeStyle: 'short' };
  return new Intl.DateTimeFormat(localeOf(lang), style).format(ms);
}

type TimeValue = string | number | null | undefined;

/** A moment, in the reader's zone; the ISO form is its tooltip. Numbers are milliseconds. */
export function Time({ at, ago = false }: { at: TimeValue; ago?: boolean }) {
  const { lang } = useLang();
  const t = useWords(words);
  const now = useNow();
  const ms = typeof at === 'number' ? at : at ? Date.parse(at) : NaN;
  if (!Number.isFinite(ms) || ms <= 0) return <span className="text-muted">–<span className="sr-only">{t('never')}</span></span>;
  const iso = new Date(ms).toISOString();
  const isToday = new Date(ms).toDateString() === new Date(now).toDateString();
  return (
    <time dateTime={iso} title={iso} className="whitespace-nowrap">
      {ago ? formatAgo(ms, now, lang) : formatTime(ms, lang, isToday)}
    </time>
  );
}

/** 75.2 -> "1:15", 0.0042 -> "4.2 ms", 90061 -> "25:01:01" */
export function formatDuration(seconds: number | null | undefined, lang: Lang): string {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return '–';
  if (seconds < 0.001) return `${Math.round(seconds * 1e6)} µs`;
  if (seconds < 1) return `${withPoint(String(Number((seconds * 1000).toPrecision(2))), lang)} ms`;
  if (seconds < 60) return `${withPoint(seconds.toFixed(seconds < 10 ? 1 : 0), lang)} s`;
  const whole = Math.round(seconds);
  const two = (n: number) => String(n).padStart(2, '0');
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  if (h >= 48) return `${Math.floor(h / 24)} d ${h % 24} h`;
  return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

/** A length of time: `seconds`, or from one moment to another (to nothing: still running). */
export function Duration({ seconds, from, to }: { seconds?: number | null; from?: TimeValue; to?: TimeValue }) {
  const now = useNow();
  const { lang } = useLang();
  let value = seconds;
  if (from) value = ((to ? new Date(to).getTime() : Math.max(now, Date.now())) - new Date(from).getTime()) / 1000;
  return <span className="whitespace-nowrap">{formatDuration(value, lang)}</span>;
}

/* ---------------------------------------------------------------- numbers */

export function formatBytes(bytes: number | null | undefined, lang: Lang): string {
  if (bytes === null || bytes === undefined || !Number.isFinite(bytes)) return '–';
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let unit = 0;
  let value = bytes;
  while (Math.abs(value) >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : withPoint(value.toPrecision(3), lang)} ${units[unit]}`;
}

export function Bytes({ value }: { value: number | null | undefined }) {
  const { lang } = useLang();
  return (
    <span className="whitespace-nowrap" title={value === null || value === undefined ? undefined : `${inGroups(Math.round(value), lang)} ${lang === 'de' ? 'Byte' : 'bytes'}`}>
      {formatBytes(value, lang)}
    </span>
  );
}

export function formatNumber(value: number | null | undefined, lang: Lang, digits = 4): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return '–';
  if (Number.isInteger(value)) return inGroups(value, lang);
  if (value !== 0 && Math.abs(value) < 1e-4) return value.toExponential(digits - 1);
  return new Intl.NumberFormat(lang, { maximumSignificantDigits: Math.max(digits, Math.ceil(Math.log10(Math.abs(value) + 1))) }).format(value);
}

/** A number in the reader's way of writing; `percent` of a share; the exact value is the tooltip. */
export function Num({ value, digits, percent = false }: { value: number | null | undefined; digits?: number; percent?: boolean }) {
  const { lang } = useLang();
  const isThere = value !== null && value !== undefined && Number.isFinite(value);
  const text = !isThere
    ? '–'
    : !percent
      ? formatNumber(value, lang, digits)
      : digits === undefined
        ? inPercent(value, 1, lang)
        : new Intl.NumberFormat(lang, { style: 'percent', minimumFractionDigits: 1, maximumFractionDigits: digits }).format(value);
  return (
    <span className="whitespace-nowrap" title={isThere && !Number.isInteger(value) ? String(value) : undefined}>
      {text}
    </span>
  );
}

/* ---------------------------------------------------------------- states */

type Tone = 'good' | 'warn' | 'bad' | 'live' | 'idle';

const tones: Record<string, Tone> = {
  ok: 'good', up: 'good', succeeded: 'good', finished: 'good', ready: 'good', loaded: 'good', online: 'good',
  running: 'live', active: 'live', building: 'live', playing: 'live',
  degraded: 'warn', paused: 'warn', waiting: 'warn', scheduled: 'idle', queued: 'idle', warn: 'warn',
  failed: 'bad', down: 'bad', error: 'bad', killed: 'bad', offline: 'bad', stopped: 'warn',
};
const german: Record<string, string> = {
  ok: 'in Ordnung', up: 'läuft', succeeded: 'erfolgreich', finished: 'fertig', ready: 'bereit', loaded: 'geladen', online: 'verbunden',
  running: 'läuft', active: 'aktiv', building: 'entsteht', playing: 'im Spiel',
  degraded: 'eingeschränkt', paused: 'pausiert', waiting: 'wartet', scheduled: 'geplant', queued: 'eingereiht', warn: 'Warnung',
  failed: 'fehlgeschlagen', down: 'ausgefallen', error: 'Fehler', killed: 'abgebrochen', offline: 'getrennt', stopped: 'angehalten',
};
const looks: Record<Tone, string> = {
  good: 'text-good tint-good',
  warn: 'text-warn tint-warn',
  bad: 'text-bad tint-bad',
  live: 'text-accent tint-accent',
  idle: 'text-muted bg-raised',
};

/** A state as a badge, in colour and in words: any state of runs, jobs, datasets, health, whatever its case. */
export function Status({ state, label, tone }: { state: string; label?: string; tone?: Tone }) {
  const { lang } = useLang();
  const key = state.toLowerCase();
  const text = label ?? (lang === 'de' ? (german[key] ?? key) : key);
  const shown = tone ?? tones[key] ?? 'idle';
  return (
    <span className={`inline-flex items-center gap-1.5 rounded-full px-2 py-px text-[0.86rem] font-medium whitespace-nowrap ${looks[shown]}`}>
      <span aria-hidden className={`size-1.5 rounded-full bg-current ${shown === 'live' ? 'animate-pulse' : ''}`} />
      {text}
    </span>
  );
}

/** How far something is, with what is left of its time. `total` 0: nobody knows. */
export function Progress({ done, total, etaSec, label, compact = false }: { done: number; total: number; etaSec?: number | null; label: string; compact?: boolean }) {
  const t = useWords(words);
  const { lang } = useLang();
  const [width, setWidth] = useState(0);
  const share = total > 0 ? Math.min(1, Math.max(0, done / total)) : null;
  // The bar moves from where it was; the first frame shows where it is.
  useEffect(() => setWidth(share ?? 0), [share]);
  return (
    <div className="min-w-0">
      <div
        role="progressbar"
        aria-label={label}
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={share === null ? undefined : Math.round(share * 100)}
        className="h-1.5 rounded-full bg-raised overflow-hidden border border-line"
      >
        <div className={`h-full rounded-full bg-accent origin-left transition-transform duration-500 ${share === null ? 'animate-pulse' : ''}`} style={{ transform: `scaleX(${share === null ? 1 : width})` }} />
      </div>
      {!compact && (
        <div className="flex justify-between gap-3 text-muted text-[0.86rem] mt-1">
          <span>{share === null ? '' : inPercent(share, 0, lang)}</span>
          <span>{etaSec !== null && etaSec !== undefined ? t('eta', { time: formatDuration(etaSec, lang) }) : ''}</span>
        </div>
      )}
    </div>
  );
}
