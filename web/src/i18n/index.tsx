/* Words in English and German. English is the source: a dictionary whose German lacks a word, or has one too many, does not
 * compile. Each page has a dictionary of its own, loaded with it. */
import { createContext, useCallback, useContext, useEffect, useMemo, useState, type ReactNode } from 'react';
import { remember, remembered } from '../app/memory';

export type Lang = 'en' | 'de';
export type Text = Record<Lang, string>;
type Words<K extends string> = Record<Lang, Record<K, string>>;
type Values = Record<string, string | number>;

export function dictionary<E extends Record<string, string>>(words: { en: E; de: { [K in keyof E]: string } }) {
  return words as Words<Extract<keyof E, string>>;
}

export function fill(text: string, values?: Values): string {
  return values ? text.replace(/\{(\w+)\}/g, (all, name: string) => String(values[name] ?? all)) : text;
}

interface LangState {
  lang: Lang;
  setLang: (lang: Lang) => void;
}

const LangContext = createContext<LangState>({ lang: 'en', setLang: () => {} });

function firstLang(): Lang {
  const chosen = remembered('lang');
  if (chosen === 'en' || chosen === 'de') return chosen;
  return navigator.language.toLowerCase().startsWith('de') ? 'de' : 'en';
}

export function LangProvider({ children }: { children: ReactNode }) {
  const [lang, setLang] = useState(firstLang);
  useEffect(() => {
    document.documentElement.lang = lang;
  }, [lang]);
  const value = useMemo(
    () => ({
      lang,
      setLang: (next: Lang) => {
        remember('lang', next);
        setLang(next);
      },
    }),
    [lang],
  );
  return <LangContext.Provider value={value}>{children}</LangContext.Provider>;
}

/** How times are written: as where the reader is, if that is a place of his language (en-GB: 20:15). */
export function localeOf(lang: Lang): string {
  return navigator.languages.find((l) => l.toLowerCase().startsWith(lang)) ?? lang;
}

export const useLang = () => useContext(LangContext);

/** The words of a dictionary in the language of the moment: `const t = useWords(words); t('title')`. */
export function useWords<K extends string>(words: Words<K>) {
  const { lang } = useLang();
  return useCallback((key: K, values?: Values) => fill(words[lang][key], values), [lang, words]);
}

/** One text that knows both languages, as titles of pages do. */
export function useText() {
  const { lang } = useLang();
  return useCallback((text: Text) => text[lang], [lang]);
}
