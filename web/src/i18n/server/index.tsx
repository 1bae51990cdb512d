/* What the server says in English, in the reader's language: the German comes when it is first needed, so that nobody else loads it.
 * What has no German is shown as it came, marked as English, so that it is read out rightly.
 *
 *   <Said>{finding.nextStep}</Said>                          // a sentence of the program
 *   <Said by={setting.name} of="settings">{setting.help}</Said>
 *   const say = useSaid(); say(plugin.summary)               // as text: to sort, filter, export
 */
import { useCallback, useEffect, type ReactNode } from 'react';
import { Store, useStore } from '../../app/store';
import { useLang, useText } from '..';
import { inGroups } from '../writing';
import { kindInWords } from './kinds';
import type { Template } from './sentences.de';

export type Part = 'sentences' | 'settings' | 'routes';
type Find = (key: string) => string | null;

const inTable = (table: Record<string, string>): Find => (key) => (Object.hasOwn(table, key) ? table[key]! : null);

const load: Record<Part, () => Promise<Find>> = {
  sentences: () => import('./sentences.de').then((m) => inTemplates(m.sentences)),
  settings: () => import('./settings.de').then((m) => inTable(m.settings)),
  routes: () => import('./routes.de').then((m) => inTable(m.routes)),
};

const found: Record<Part, Store<Find | null>> = { sentences: new Store(null), settings: new Store(null), routes: new Store(null) };
const asked = new Set<Part>();

function ask(part: Part) {
  if (asked.has(part)) return;
  asked.add(part);
  load[part]().then(
    (find) => found[part].set(find),
    () => {
      // After an update of the server, say: English, and asked for again by the next page.
      found[part].set(() => null);
      asked.delete(part);
    },
  );
}

/* ---------------------------------------------------------------- sentences with values in them */

const NUMBER = '([-+]?\\d[\\d.]*(?:e[-+]?\\d+)?)';
const forms: Record<string, string> = { '{}': NUMBER, '{#}': '(\\d+)', '{*}': '(.+)' };

interface Pattern {
  whole: RegExp;
  first: RegExp; // the first of several sentences
  kinds: string[];
  german: string;
}

function patternOf([english, german]: Template): Pattern {
  const kinds = english.match(/\{[#*]?\}/g) ?? [];
  const source = english
    .split(/(\{[#*]?\})/)
    .map((piece) => forms[piece] ?? piece.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
    .join('');
  return { whole: new RegExp(`^${source}$`, 's'), first: new RegExp(`^${source} `, 's'), kinds, german };
}

/** 12345 -> 12.345, +0.020 -> +0,020; what is no plain number stays. */
function inGerman(value: string): string {
  if (/^\d+$/.test(value)) return inGroups(Number(value), 'de');
  return value.replace('.', ',');
}

function fillIn({ kinds, german }: Pattern, match: RegExpExecArray): string {
  return german.replace(/\{(\d+)\}/g, (_, n: string) => (kinds[Number(n)] === '{}' ? inGerman(match[Number(n) + 1]!) : match[Number(n) + 1]!));
}

function inTemplates(templates: Template[]): Find {
  const patterns = templates.map(patternOf);
  const find: Find = (text) => {
    for (const p of patterns) {
      const match = p.whole.exec(text);
      if (match) return fillIn(p, match);
    }
    // Several sentences: one by one, those whose end cannot be mistaken.
    for (const p of patterns) {
      const match = p.german.endsWith('.') && !p.kinds.includes('{*}') ? p.first.exec(text) : null;
      const rest = match && find(text.slice(match[0].length));
      if (rest) return `${fillIn(p, match)} ${rest}`;
    }
    return null;
  };
  return find;
}

/* ---------------------------------------------------------------- for pages */

/** What was said, in German where that is known; null: not known, or not yet. */
function useFind(part: Part) {
  const { lang } = useLang();
  const find = useStore(found[part]);
  useEffect(() => {
    if (lang === 'de') ask(part);
  }, [lang, part]);
  return { lang, find, isComing: lang === 'de' && find === null };
}

export function useSaid(part: Part = 'sentences') {
  const { lang, find } = useFind(part);
  return useCallback((text: string, by?: string) => (lang === 'de' && find?.(by ?? text)) || text, [lang, find]);
}

interface SaidProps {
  children: string | null | undefined;
  by?: string; // its key, where that is not the sentence
  of?: Part;
  title?: boolean; // as tooltip, too: it may be cut off
  or?: 'english' | 'anything'; // what it may be as well: the exact words of an error; what people or programs of theirs have said
  className?: string;
}

export function Said({ children, by, of = 'sentences', title, or, className }: SaidProps): ReactNode {
  const { lang, find, isComing } = useFind(of);
  if (!children) return null;
  const german = lang === 'de' ? (find?.(by ?? children) ?? null) : null;
  const text = german ?? children;
  const isEnglish = lang === 'de' && german === null && !isComing && or !== 'anything';
  // No blink of English while the German is on its way.
  const look = [className, isComing && 'invisible'].filter(Boolean).join(' ') || undefined;
  return <span className={look} lang={isEnglish ? 'en' : undefined} data-untold={(isEnglish && !or) || undefined} title={title ? text : undefined}>{text}</span>;
}

/** A kind of job: its name, and what that is. */
export function Kind({ of, className }: { of: string; className?: string }) {
  const text = useText();
  const words = kindInWords(of);
  return <span className={className}>{words ? <>{text(words)} <code className="font-normal text-muted">({of})</code></> : <code>{of}</code>}</span>;
}

/** The same where only text can stand. */
export function useKindName() {
  const text = useText();
  return useCallback((kind: string) => {
    const words = kindInWords(kind);
    return words ? `${text(words)} (${kind})` : kind;
  }, [text]);
}
