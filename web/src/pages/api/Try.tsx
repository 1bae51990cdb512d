/* A call made from here: the form begins as the example call, and what comes back is shown as it came. */
import { useEffect, useId, useRef, useState } from 'react';
import { apiKey } from '../../api/client';
import { isBeyond, useRole } from '../../api/access';
import { useStore } from '../../app/store';
import { useWords } from '../../i18n';
import { words as shared } from '../../i18n/words';
import { Button, confirm, CopyButton, Field, Section, SelectField, Spinner, TextArea, TextField } from '../../ui';
import { Answer } from './Answer';
import { addressOf, bodyKindsOf, curlOf, jsonFault, openOf, typesOf, valuesOf, type BodyKind, type Document, type Operation, type Parameter, type Values } from './document';
import { useCall } from './useCall';
import { useKnown } from './useKnown';
import { words } from './words';

export function Try({ document, operation }: { document: Document; operation: Operation }) {
  const t = useWords(words);
  const ts = useWords(shared);
  const [values, setValues] = useState(() => valuesOf(document, operation));
  const [file, setFile] = useState<File | null>(null);
  const hasKey = useStore(apiKey) !== '';
  const role = useRole();
  const call = useCall();
  const noteId = useId();
  const known = useKnown(document, operation, (name, value) =>
    setValues((v) => (operation.method === 'GET' && v.path[name] === undefined ? { ...v, path: { ...v.path, [name]: value } } : v)),
  );

  const needsFile = values.kind === 'form' || values.kind === 'file';
  const fault = values.kind === 'json' && values.body.trim() ? jsonFault(values.body) : null;
  const open = openOf(operation, values);
  const needed = operation['x-access'];
  const hindrance =
    isBeyond(role, needed) ? ts('denied', { needed, role: role! })
    : open.length ? t('fillIn', { what: open.join(', ') })
    : fault ? t('bodyFault', { why: fault })
    : needsFile && !file ? t('chooseFile')
    : null;
  const reset = () => {
    const first = operation.parameters.find((p) => p.in === 'path')?.name;
    const isKnown = operation.method === 'GET' && first !== undefined && known[0] !== undefined;
    setValues({ ...valuesOf(document, operation), path: isKnown ? { [first]: known[0]! } : {} });
    setFile(null);
  };
  const send = async () => {
    const address = addressOf(operation, values);
    const { method } = operation;
    if (method !== 'GET') {
      const text = <><p className="mb-2">{t('askText')}</p><code className="break-all">{method} {address}</code></>;
      if (!(await confirm({ title: t('askTitle', { method }), text, action: t('send'), danger: method === 'DELETE' }))) return;
    }
    await call.start(method, address, values.kind, needsFile ? file : values.body);
  };
  return (
    <>
      <Section title={t('try')} actions={<Button look="quiet" icon="retry" onClick={reset}>{t('reset')}</Button>}>
        <form className="flex flex-col gap-3" onSubmit={(event) => { event.preventDefault(); if (!hindrance && !call.isGoing) void send(); }}>
          <Form {...{ operation, values, setValues, setFile, known }} />
          <div className="flex flex-wrap items-center gap-2">
            {/* Two buttons, since one that became the other while it is pressed would send again. */}
            <Button type="submit" look={operation.method === 'DELETE' ? 'danger' : 'primary'} icon="play" disabled={hindrance !== null} aria-disabled={call.isGoing || undefined} aria-describedby={hindrance ? noteId : undefined}>{t('send')}</Button>
            {call.isGoing && <Button icon="stop" onClick={call.stop}>{t('stop')}</Button>}
            {hindrance && <p id={noteId} className="text-muted">{hindrance}</p>}
            {call.isGoing && !call.answer && <Spinner label={t('waiting')} />}
          </div>
        </form>
      </Section>
      {call.answer && <Answer answer={call.answer} isGoing={call.isGoing} operation={operation} />}
      <Curl command={curlOf(location.origin, operation, values, hasKey, file?.name ?? 'FILE')} />
    </>
  );
}

function Curl({ command }: { command: string }) {
  const t = useWords(words);
  return (
    <Section title={t('curl')} actions={<CopyButton text={command} label={t('copyCurl')} />}>
      <pre tabIndex={0} aria-label={t('curl')} role="group" className="bg-raised rounded-md p-3 overflow-x-auto text-[0.86rem]" data-curl>{command}</pre>
    </Section>
  );
}

/* ---------------------------------------------------------------- the form */

type Set = (change: (values: Values) => Values) => void;

function Form({ operation, values, setValues, setFile, known }: { operation: Operation; values: Values; setValues: Set; setFile: (file: File | null) => void; known: string[] }) {
  const t = useWords(words);
  const kinds = bodyKindsOf(operation);
  const file = useRef<HTMLInputElement>(null);
  const isEmpty = operation.parameters.length === 0 && kinds.length === 0;
  // The bytes of one choice are not sent as another.
  useEffect(() => setFile(null), [values.kind, setFile]);
  return (
    <>
      {isEmpty && <p className="text-muted">{t('noParameters')}</p>}
      {operation.parameters.length > 0 && (
        <div className="grid gap-3 sm:grid-cols-2">
          {operation.parameters.map((p) => (
            <Input
              key={`${p.in} ${p.name}`}
              parameter={p}
              known={p.in === 'path' ? known : []}
              value={values[p.in][p.name] ?? ''}
              onChange={(value) => setValues((v) => ({ ...v, [p.in]: { ...v[p.in], [p.name]: value } }))}
            />
          ))}
        </div>
      )}
      {kinds.length > 1 && (
        <div className="max-w-60">
          <SelectField label={t('bodyKind')} value={values.kind} onChange={(kind: BodyKind) => setValues((v) => ({ ...v, kind }))} options={kinds.map((kind) => ({ value: kind, label: kind === 'none' ? '' : t(kind) }))} />
        </div>
      )}
      {values.kind === 'json' && (
        <TextArea
          label={t('body')}
          rows={Math.min(18, Math.max(4, values.body.split('\n').length))}
          spellCheck={false}
          value={values.body}
          onChange={(body) => setValues((v) => ({ ...v, body }))}
          error={values.body.trim() && jsonFault(values.body) ? t('bodyFault', { why: jsonFault(values.body)! }) : null}
          style={{ fontFamily: 'var(--font-mono)', fontSize: '0.86rem' }}
        />
      )}
      {(values.kind === 'form' || values.kind === 'file') && (
        <Field label={t('theFile')}>
          {(wiring) => <input key={values.kind} ref={file} type="file" {...wiring} onChange={(event) => setFile(event.target.files?.[0] ?? null)} className="min-h-8 max-w-full" />}
        </Field>
      )}
    </>
  );
}

function Input({ parameter, known, value, onChange }: { parameter: Parameter; known: string[]; value: string; onChange: (value: string) => void }) {
  const t = useWords(words);
  const list = useId();
  const type = typesOf(parameter.schema)[0] ?? 'string';
  const hint = `${type}${parameter.required ? `, ${t('required')}` : ''}`;
  if (type === 'boolean') {
    const options = [{ value: '', label: t('unset') }, { value: 'true', label: 'true' }, { value: 'false', label: 'false' }];
    return <SelectField label={parameter.name} hint={hint} value={value} onChange={onChange} options={options} />;
  }
  return (
    <div className="min-w-0">
      <TextField label={parameter.name} hint={hint} value={value} onChange={onChange} required={parameter.required} autoComplete="off" spellCheck={false} list={known.length ? list : undefined} inputMode={type === 'integer' ? 'numeric' : type === 'number' ? 'decimal' : undefined} />
      {known.length > 0 && <datalist id={list}>{known.map((one) => <option key={one} value={one} />)}</datalist>}
    </div>
  );
}
