/* Fields of a filter or split, made of what the kind says that it takes (GET /v1/datasets/kinds). What is empty is not sent. */
import { useId } from 'react';
import type { SchemaField } from '../../api/types';
import { useWords } from '../../i18n';
import { CheckField, NumberField, SelectField, TextField } from '../../ui';
import type { Json } from './types';
import { words } from './words';

export type Values = Record<string, Json>;

/** A field's name in words; its own name where we have none. */
export function useFieldName() {
  const t = useWords(words);
  return (name: string) => {
    const key = `f_${name}` as keyof typeof words.en;
    return key in words.en ? t(key) : name;
  };
}

/** What a value of a choice is called. */
export function useChoiceName() {
  const t = useWords(words);
  return (value: string) => {
    const key = `v_${value}` as keyof typeof words.en;
    return key in words.en ? t(key) : value;
  };
}

const asList = (value: Json | undefined): string[] => (Array.isArray(value) ? value.map(String) : value === undefined || value === null || value === '' ? [] : [String(value)]);

export function SchemaFields({ fields, values, onChange }: { fields: [string, SchemaField][]; values: Values; onChange: (values: Values) => void }) {
  const set = (name: string, value: Json | undefined) => {
    const next = { ...values };
    if (value === undefined || value === null || value === '' || (Array.isArray(value) && value.length === 0)) delete next[name];
    else next[name] = value;
    onChange(next);
  };
  const isWide = ([, field]: [string, SchemaField]) => field.type === 'array' && field.items?.enum !== undefined;
  return (
    <div className="flex flex-col gap-4">
      <div className="grid gap-3 sm:grid-cols-2 lg:grid-cols-3 xl:grid-cols-4 items-start">
        {fields.filter((f) => !isWide(f)).map(([name, field]) => <One key={name} name={name} field={field} value={values[name]} onChange={(value) => set(name, value)} />)}
      </div>
      {fields.filter(isWide).map(([name, field]) => <Choices key={name} name={name} choices={field.items!.enum!} value={asList(values[name])} onChange={(value) => set(name, value)} />)}
    </div>
  );
}

function One({ name, field, value, onChange }: { name: string; field: SchemaField; value: Json | undefined; onChange: (value: Json | undefined) => void }) {
  const t = useWords(words);
  const nameOf = useFieldName();
  const choiceOf = useChoiceName();
  const hintKey = `h_${name}` as keyof typeof words.en;
  const label = nameOf(name);
  const hint = hintKey in words.en ? t(hintKey) : undefined;
  if (field.enum) return <SelectField label={label} hint={hint} value={String(value ?? '')} onChange={onChange} options={[{ value: '', label: t('any') }, ...field.enum.map((v) => ({ value: v, label: choiceOf(v) }))]} />;
  if (field.type === 'boolean')
    return <SelectField label={label} hint={hint} value={value === undefined ? '' : String(value)} onChange={(v) => onChange(v === '' ? undefined : v === 'true')} options={[{ value: '', label: t('any') }, { value: 'true', label: t('yes') }, { value: 'false', label: t('no') }]} />;
  if (field.type === 'integer' || field.type === 'number')
    return <NumberField label={label} hint={hint} value={typeof value === 'number' ? value : null} onChange={(v) => onChange(v ?? undefined)} min={field.minimum} max={field.maximum} step={field.type === 'integer' ? 1 : 'any'} />;
  if (field.type === 'array') return <ListField label={label} hint={hint ?? t('listHint')} value={asList(value)} onChange={onChange} />;
  return <TextField label={label} hint={hint} type={field.format === 'date' ? 'date' : 'text'} value={String(value ?? '')} onChange={onChange} />;
}

/** Texts with commas between them; a comma at the end stays while one types. */
function ListField({ label, hint, value, onChange }: { label: string; hint: string; value: string[]; onChange: (value: string[]) => void }) {
  return <TextField label={label} hint={hint} value={value.join(', ')} onChange={(text) => onChange(text === '' ? [] : text.split(',').map((part, i) => (i ? part.trimStart() : part)))} />;
}

function Choices({ name, choices, value, onChange }: { name: string; choices: string[]; value: string[]; onChange: (value: string[]) => void }) {
  const nameOf = useFieldName();
  const choiceOf = useChoiceName();
  const id = useId();
  return (
    <div role="group" aria-labelledby={id}>
      <p id={id} className="font-medium">{nameOf(name)}</p>
      <div className="flex flex-wrap gap-x-4">
        {choices.map((choice) => <CheckField key={choice} label={choiceOf(choice)} value={value.includes(choice)} onChange={(on) => onChange(choices.filter((c) => (c === choice ? on : value.includes(c))))} />)}
      </div>
    </div>
  );
}
