/* A new dataset, or a new version of one: what it is made of, how it is split; then how the build goes. */
import { useState } from 'react';
import { api } from '../../api/client';
import type { Job, SchemaField } from '../../api/types';
import { invalidate, useApi } from '../../api/useApi';
import { useParam } from '../../app/params';
import { useWords } from '../../i18n';
import { Button, EmptyState, FailureText, Icon, LinkButton, NumberField, Page, Section, SelectField, Shown, TextField } from '../../ui';
import { Build } from './Build';
import { SchemaFields, useChoiceName, useFieldName, type Values } from './Fields';
import { hrefOf, type Created, type DatasetKind, type DatasetWhole } from './types';
import { words } from './words';

export default function New() {
  const t = useWords(words);
  const [from] = useParam('from');
  const kinds = useApi('/v1/datasets/kinds');
  const old = useApi(from ? '/v1/datasets/{id}' : null, { path: { id: from } });
  const [begun, setBegun] = useState<Created | null>(null);
  return (
    <Page title={t('new')} crumbs={[{ title: t('title'), href: '/datasets' }]}>
      <Shown of={kinds}>
        {({ items }) =>
          items.length === 0 ? (
            <EmptyState icon="datasets" title={t('noKinds')} />
          ) : (
            <>
              {begun && <Begun key={begun.id} made={begun} onAgain={() => setBegun(null)} />}
              {/* What was typed is there again when a build failed. */}
              <div hidden={begun !== null}>{from ? <Shown of={old}>{(d) => <Form kinds={items} old={d} onBegun={setBegun} />}</Shown> : <Form kinds={items} onBegun={setBegun} />}</div>
            </>
          )
        }
      </Shown>
    </Page>
  );
}

/** Shares are percents here and parts of one there. */
const isShare = (field: SchemaField) => field.type === 'number' && field.minimum === 0 && field.maximum === 1;
const percentOf = (share: number) => Math.round(share * 1e6) / 1e4;

function sharesOf(fields: [string, SchemaField][], old: Values): Record<string, number | null> {
  const shares = fields.filter(([, field]) => isShare(field));
  const isSaid = shares.some(([name]) => typeof old[name] === 'number');
  return Object.fromEntries(shares.map(([name, field]) => [name, percentOf(Number(old[name] ?? (isSaid ? 0 : field.default) ?? 0))]));
}

function Form({ kinds, old, onBegun }: { kinds: DatasetKind[]; old?: DatasetWhole; onBegun: (made: Created) => void }) {
  const t = useWords(words);
  const nameOf = useFieldName();
  const choiceOf = useChoiceName();
  const [kindName, setKind] = useState(kinds.find((k) => k.kind === old?.kind)?.kind ?? kinds[0]!.kind);
  const kind = kinds.find((k) => k.kind === kindName) ?? kinds[0]!;
  const filterFields = Object.entries(kind.filter.properties).filter(([name]) => name !== 'limit');
  const splitFields = Object.entries(kind.split.properties);
  const { limit: oldLimit, ...oldFilter } = old?.filter ?? {};
  const [name, setName] = useState(old?.name ?? '');
  const [version, setVersion] = useState('');
  const [note, setNote] = useState('');
  const [size, setSize] = useState<number | null>(typeof oldLimit === 'number' ? oldLimit : null);
  const [filter, setFilter] = useState<Values>(oldFilter);
  const [by, setBy] = useState(String(old?.split?.by ?? ''));
  const [shares, setShares] = useState(() => sharesOf(splitFields, (old?.split ?? {}) as Values));
  const [seed, setSeed] = useState<number | null>(typeof old?.split?.seed === 'number' ? old.split.seed : null);
  const [busy, setBusy] = useState(false);
  const [refused, setRefused] = useState('');
  const ways = kind.split.properties.by?.enum ?? [];
  const sum = Object.values(shares).reduce<number>((all, share) => all + (share ?? 0), 0);
  const send = async () => {
    setBusy(true);
    setRefused('');
    const split: Values = {
      ...(ways.length ? { by: by || ways[0]! } : {}),
      ...Object.fromEntries(Object.entries(shares).map(([of, share]) => [of, (share ?? 0) / 100])),
      ...(seed === null ? {} : { seed }),
    };
    // Lists are typed with blanks and commas at their ends.
    const asked = Object.fromEntries(Object.entries(filter).map(([key, value]) => [key, Array.isArray(value) ? value.map((v) => String(v).trim()).filter(Boolean) : value]));
    const body = { name: name.trim(), kind: kind.kind, filter: asked, split, ...(version.trim() && { version: version.trim() }), ...(note.trim() && { note: note.trim() }), ...(size !== null && { sizeRows: size }) };
    try {
      const made = await api('POST', '/v1/datasets', { body: body as never });
      invalidate('/v1/datasets');
      onBegun(made);
    } catch (error) {
      setRefused(error instanceof Error ? error.message : String(error));
    } finally {
      setBusy(false);
    }
  };
  return (
    <form className="flex flex-col gap-5" onSubmit={(event) => { event.preventDefault(); void send(); }}>
      <Section title={t('what')}>
        <div className="grid gap-3 sm:grid-cols-2 lg:grid-cols-4 items-start">
          <TextField label={t('name')} hint={t('nameHint')} required maxLength={128} value={name} onChange={setName} />
          <TextField label={t('version')} hint={t('versionHint')} value={version} onChange={setVersion} />
          <NumberField label={t('sizeRows')} hint={t('sizeHint')} min={1} step={1} value={size} onChange={setSize} />
          {kinds.length > 1 && <SelectField label={t('kind')} value={kind.kind} onChange={setKind} options={kinds.map((k) => ({ value: k.kind, label: k.kind }))} />}
          <TextField label={t('note')} value={note} onChange={setNote} />
        </div>
      </Section>
      <Section title={t('filter')}>
        <p className="text-muted mb-3">{t('filterHint')}</p>
        <SchemaFields fields={filterFields} values={filter} onChange={setFilter} />
      </Section>
      <Section title={t('splitTitle')}>
        <div className="grid gap-3 sm:grid-cols-2 lg:grid-cols-5 items-start">
          {ways.length > 0 && <SelectField label={t('f_by')} hint={(by || ways[0]) === 'time' ? t('byTimeHint') : t('byGroupHint')} value={by || ways[0]!} onChange={setBy} options={ways.map((way) => ({ value: way, label: choiceOf(way) }))} />}
          {Object.keys(shares).map((of) => <NumberField key={of} label={`${nameOf(of)} (%)`} min={0} max={100} step="any" value={shares[of] ?? null} onChange={(share) => setShares({ ...shares, [of]: share })} />)}
          {kind.split.properties.seed && <NumberField label={t('f_seed')} hint={t('seedHint')} min={0} step={1} value={seed} onChange={setSeed} />}
        </div>
        {Math.abs(sum - 100) > 1e-4 && <p className="text-warn mt-2">{t('sumHint', { sum: percentOf(sum / 100) })}</p>}
      </Section>
      {refused && (
        <p role="alert" className="card border-bad p-3 flex gap-2">
          <Icon name="alert" className="text-bad shrink-0 mt-0.5" />
          <span className="min-w-0 break-words">{t('refused')}: <span lang="en">{refused}</span></span>
        </p>
      )}
      <div><Button needs="POST /v1/datasets" type="submit" look="primary" icon="datasets" busy={busy} disabled={!name.trim()}>{t('build')}</Button></div>
    </form>
  );
}

function Begun({ made, onAgain }: { made: Created; onAgain: () => void }) {
  const t = useWords(words);
  const [state, setState] = useState<'building' | 'ready' | 'failed'>('building');
  const [failed, setFailed] = useState<Job | null>(null);
  const name = `${made.name}@${made.version}`;
  return (
    <Section title={name}>
      <div className="flex flex-col gap-3">
        {state === 'building' && (
          <Build
            jobId={made.jobId}
            name={name}
            onEnd={(job) => {
              invalidate('/v1/datasets');
              setState(job.status === 'succeeded' ? 'ready' : 'failed');
              setFailed(job);
            }}
          />
        )}
        <p role="status" className={state === 'failed' ? 'text-bad break-words' : ''}>
          {state === 'building' ? t('buildingText') : state === 'ready' ? t('readyText', { name }) : <>{t('failedText')} {failed && <FailureText of={failed} />}</>}
        </p>
        <p className="flex flex-wrap gap-2">
          {state !== 'failed' && <LinkButton look={state === 'ready' ? 'primary' : 'plain'} icon="datasets" href={hrefOf(made.id)}>{t('openIt', { name })}</LinkButton>}
          {state !== 'building' && <Button onClick={onAgain}>{t('again')}</Button>}
        </p>
      </div>
    </Section>
  );
}
