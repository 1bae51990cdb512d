/* A form whose fields stand in the address: prefilled by it, there again after "back". What the server refuses is said at the field
 * that its sentence names.
 *
 *   const { values, set, busy, begin, errorOf, refused } = useStart(['epochs', 'seed']);
 */
import { createElement, useCallback, useEffect, useMemo, useState, type ReactNode } from 'react';
import { useLocation, useSearch } from 'wouter';
import type { SchemaField } from '../api/types';

export type Values = Record<string, string>;
export type Fields = [string, SchemaField][];

interface Refusal {
  field: string | null; // null: of the form as a whole
  text: string;
}

/** "fields 'nodes' and 'depth' exclude each other": the first of ours that is named. */
function fieldOf(text: string, names: readonly string[]): string | null {
  for (const [, name] of text.matchAll(/'(\w+)'/g)) if (/\bfields? '/.test(text) && names.includes(name!)) return name!;
  return null;
}

export function useStart(names: readonly string[]) {
  const search = useSearch();
  const [, navigate] = useLocation();
  const [busy, setBusy] = useState(false);
  const [refusal, setRefusal] = useState<Refusal | null>(null);
  const values = useMemo<Values>(() => Object.fromEntries(new URLSearchParams(search)), [search]);
  const set = useCallback(
    (changes: Values) => {
      const params = new URLSearchParams(location.search);
      for (const [name, value] of Object.entries(changes))
        if (value === '') params.delete(name);
        else params.set(name, value);
      const text = params.toString();
      const path = location.pathname.replace(/^\/ui/, '');
      navigate(text ? `${path}?${text}` : path, { replace: true });
    },
    [navigate],
  );
  /** Asks the server; the answer is where to go. */
  const begin = async (work: () => Promise<string>) => {
    setBusy(true);
    setRefusal(null);
    try {
      navigate(await work());
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      setRefusal({ field: fieldOf(text, names), text });
    } finally {
      setBusy(false);
    }
  };
  useEffect(() => {
    if (refusal?.field) document.querySelector<HTMLElement>(`form [name="${refusal.field}"]`)?.focus();
  }, [refusal]);
  // The server's own words, whatever the language of the page.
  const errorOf = (name: string): ReactNode => (refusal?.field === name ? createElement('span', { lang: 'en' }, refusal.text) : null);
  return { values, set, busy, begin, errorOf, refused: refusal && refusal.field === null ? refusal.text : '' };
}

/** What is sent: what was typed, as the kind wants it. What is no number is sent as it is: the server says what is wrong with it. */
export function bodyOf(fields: Fields, values: Values): Record<string, unknown> {
  const body: Record<string, unknown> = {};
  for (const [name, field] of fields) {
    const text = (values[name] ?? '').trim();
    if (text === '') continue;
    if (field.type === 'integer' || field.type === 'number') {
      const number = Number(text.replace(',', '.'));
      body[name] = Number.isNaN(number) ? text : number;
    } else if (field.type === 'boolean') body[name] = text === 'true';
    else if (field.type === 'object') body[name] = jsonOr(text);
    else body[name] = text;
  }
  return body;
}

function jsonOr(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
