/* Fields of a form, made of what the server says that it takes; empty ones show what it takes by itself. */
import type { ReactNode } from 'react';
import type { SchemaField } from '../api/types';
import { useLang, useWords, type Lang } from '../i18n';
import { SelectField, TextField } from '../ui';
import type { Fields, Values } from './useStart';
import { words } from './words';

type Key = keyof typeof words.en;

/** A field's name in words; its own name where we have none. */
export function useFieldName() {
  const t = useWords(words);
  return (name: string) => (`f_${name}` in words.en ? t(`f_${name}` as Key) : name);
}

/** A number as one types it: "1.000" would be one. */
const typed = (n: number, lang: Lang) => (lang === 'de' ? String(n).replace('.', ',') : String(n));

interface Ask {
  values: Values;
  set: (changes: Values) => void;
  errorOf: (name: string) => ReactNode;
}

export function Options({ fields, ...ask }: { fields: Fields } & Ask) {
  return (
    <div className="grid gap-3 sm:grid-cols-2 lg:grid-cols-3 xl:grid-cols-4 items-start">
      {fields.map(([name, field]) => <Option key={name} name={name} field={field} {...ask} />)}
    </div>
  );
}

function Option({ name, field, values, set, errorOf }: { name: string; field: SchemaField } & Ask) {
  const t = useWords(words);
  const { lang } = useLang();
  const nameOf = useFieldName();
  const choiceOf = (value: string) => (`v_${value}` in words.en ? t(`v_${value}` as Key) : value);
  const preset = field.default === undefined ? undefined : typeof field.default === 'number' ? typed(field.default, lang) : String(field.default);
  const hint = `h_${name}` in words.en ? t(`h_${name}` as Key) : undefined;
  const common = { name, label: nameOf(name), error: errorOf(name), value: values[name] ?? '', onChange: (value: string) => set({ [name]: value }) };
  const choices = field.type === 'boolean' ? ['true', 'false'] : field.enum;
  if (choices) {
    const empty = preset === undefined ? '–' : t('preset', { value: choiceOf(preset) });
    return <SelectField {...common} hint={hint} options={[{ value: '', label: empty }, ...choices.map((value) => ({ value, label: choiceOf(value) }))]} />;
  }
  const isNumber = field.type === 'integer' || field.type === 'number';
  const note = [hint, preset !== undefined && t('presetHint', { value: preset })].filter(Boolean).join(' ');
  return <TextField {...common} hint={note || undefined} placeholder={preset} autoComplete="off" spellCheck={false} inputMode={isNumber ? 'decimal' : undefined} />;
}
