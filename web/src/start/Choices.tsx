/* Which dataset, which version of which model: lists of what is there. */
import type { ReactNode } from 'react';
import { useApi } from '../api/useApi';
import { useLang, useWords } from '../i18n';
import { formatNumber, SelectField } from '../ui';
import { aliasesOf, type Model } from '../pages/models/types';
import { words } from './words';

const LISTED_MAX = 100;

interface Choice {
  value: string;
  onChange: (value: string) => void;
  error: ReactNode;
}

/** Datasets of a kind that are ready: the newest version of each name, and the one that was asked for. */
export function useDatasets(kind: string, asked: string) {
  const list = useApi('/v1/datasets', { query: { kind, status: 'ready', limit: LISTED_MAX } });
  const one = useApi(asked ? '/v1/datasets/{id}' : null, { path: { id: asked } });
  const ready = (list.data?.items ?? []).map((d) => ({ value: d.id, label: `${d.name}@${d.versions.latest}`, rows: d.rows }));
  if (one.data && !ready.some((d) => d.value === asked)) ready.unshift({ value: asked, label: `${one.data.name}@${one.data.version}`, rows: one.data.rows });
  return { list, ready, asked: one.data };
}

export function DatasetChoice({ kind, empty, ...rest }: { kind: string; empty: string } & Choice) {
  const t = useWords(words);
  const { lang } = useLang();
  const { ready } = useDatasets(kind, rest.value);
  return <SelectField {...rest} name="datasetId" label={t('f_datasetId')} options={[{ value: '', label: empty }, ...ready.map((d) => ({ value: d.value, label: t('datasetOption', { name: d.label, n: formatNumber(d.rows, lang) }) }))]} />;
}

/** A model, and one of its versions by number or alias. */
export function ModelChoice({ models, of, empty, names, model, version, onChange, errorOf }: { models: Model[]; of: string; empty: string; names: [string, string]; model: string; version: string; onChange: (model: string, version: string) => void; errorOf: (name: string) => ReactNode }) {
  const t = useWords(words);
  const versions = useApi(model ? '/v1/models/{id}/versions' : null, { path: { id: model } as never });
  const rows = versions.data ?? [];
  const options = [
    ...rows.flatMap((v) => aliasesOf(v).map((alias) => ({ value: alias, label: t('aliasOption', { alias, version: v.modelVersion }) }))),
    ...rows.map((v) => ({ value: v.modelVersion, label: v.modelVersion })),
  ];
  if (version && !options.some((o) => o.value === version)) options.unshift({ value: version, label: version });
  const known = model && !models.some((m) => m.modelId === model) ? [{ value: model, label: model }] : [];
  return (
    <div role="group" aria-label={of} className="grid gap-3 grid-cols-[minmax(0,2fr)_minmax(0,1fr)] items-start">
      <SelectField name={names[0]} label={of} error={errorOf(names[0])} value={model} onChange={(value) => onChange(value, '')} options={[{ value: '', label: empty }, ...known, ...models.map((m) => ({ value: m.modelId, label: m.modelId }))]} />
      <SelectField name={names[1]} label={t('version')} error={errorOf(names[1])} disabled={!model} value={version} onChange={(value) => onChange(model, value)} options={[{ value: '', label: model ? t('newest') : '–' }, ...options]} />
    </div>
  );
}
