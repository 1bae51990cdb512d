/* Controls with their labels: TextField, NumberField, SelectField, CheckField, TextArea; Field for any other control. */
import { useId, type InputHTMLAttributes, type ReactNode, type SelectHTMLAttributes, type TextareaHTMLAttributes } from 'react';

export const control = 'w-full min-h-8 rounded-md border border-edge bg-surface px-2 text-text placeholder:text-muted disabled:opacity-60';

interface Labelled {
  label: string;
  hint?: ReactNode;
  error?: ReactNode;
  hideLabel?: boolean; // said to screen readers only
}

interface Wiring {
  id: string;
  'aria-describedby'?: string;
  'aria-invalid'?: boolean;
}

export function Field({ label, hint, error, hideLabel, children }: Labelled & { children: (wiring: Wiring) => ReactNode }) {
  const id = useId();
  const note = error || hint ? `${id}-note` : undefined;
  return (
    <div className="flex flex-col gap-1 min-w-0">
      <label htmlFor={id} className={hideLabel ? 'sr-only' : 'font-medium'}>{label}</label>
      {children({ id, 'aria-describedby': note, 'aria-invalid': error ? true : undefined })}
      {note && <p id={note} className={error ? 'text-bad' : 'text-muted text-[0.86rem]'}>{error ?? hint}</p>}
    </div>
  );
}

type Value<T, E> = { value: T; onChange: (value: T) => void } & Omit<E, 'value' | 'onChange'>;

export function TextField({ label, hint, error, hideLabel, value, onChange, ...rest }: Labelled & Value<string, InputHTMLAttributes<HTMLInputElement>>) {
  return (
    <Field {...{ label, hint, error, hideLabel }}>
      {(wiring) => <input type="text" {...rest} {...wiring} value={value} onChange={(e) => onChange(e.target.value)} className={control} />}
    </Field>
  );
}

/** null: empty, or no number. */
export function NumberField({ label, hint, error, hideLabel, value, onChange, ...rest }: Labelled & Value<number | null, InputHTMLAttributes<HTMLInputElement>>) {
  return (
    <Field {...{ label, hint, error, hideLabel }}>
      {(wiring) => (
        <input type="number" {...rest} {...wiring} value={value ?? ''} onChange={(e) => onChange(Number.isNaN(e.target.valueAsNumber) ? null : e.target.valueAsNumber)} className={control} />
      )}
    </Field>
  );
}

export function SelectField<T extends string>({ label, hint, error, hideLabel, value, onChange, options, ...rest }: Labelled & Value<T, SelectHTMLAttributes<HTMLSelectElement>> & { options: { value: T; label: string }[] }) {
  return (
    <Field {...{ label, hint, error, hideLabel }}>
      {(wiring) => (
        <select {...rest} {...wiring} value={value} onChange={(e) => onChange(e.target.value as T)} className={control}>
          {options.map((option) => <option key={option.value} value={option.value}>{option.label}</option>)}
        </select>
      )}
    </Field>
  );
}

export function TextArea({ label, hint, error, hideLabel, value, onChange, ...rest }: Labelled & Value<string, TextareaHTMLAttributes<HTMLTextAreaElement>>) {
  return (
    <Field {...{ label, hint, error, hideLabel }}>
      {(wiring) => <textarea rows={4} {...rest} {...wiring} value={value} onChange={(e) => onChange(e.target.value)} className={`${control} py-1.5`} />}
    </Field>
  );
}

export function CheckField({ label, value, onChange, disabled }: { label: ReactNode; value: boolean; onChange: (value: boolean) => void; disabled?: boolean }) {
  return (
    <label className="inline-flex items-center gap-2 min-h-8">
      <input type="checkbox" className="size-4 accent-accent" checked={value} disabled={disabled} onChange={(e) => onChange(e.target.checked)} />
      {label}
    </label>
  );
}
