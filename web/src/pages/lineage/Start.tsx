/* Where to begin: the newest models and datasets, or any id. */
import { useState } from 'react';
import { useLocation } from 'wouter';
import { useApi } from '../../api/useApi';
import { useWords } from '../../i18n';
import { Button, EmptyState, LinkButton, Page, Section, Shown, TextField, TextLink, Time } from '../../ui';
import type { DatasetRow } from '../datasets/types';
import type { Model, Version } from '../models/types';
import { words } from './words';

const SHOWN = 12;
const href = (id: string) => `/lineage/${encodeURIComponent(id)}`;

export default function Start() {
  const t = useWords(words);
  const [, navigate] = useLocation();
  const [id, setId] = useState('');
  const models = useApi('/v1/models', {}, { poll: 10000 });
  const datasets = useApi('/v1/datasets', { query: { limit: SHOWN } }, { poll: 10000 });
  return (
    <Page title={t('title')}>
      <p className="text-muted max-w-[80ch]">{t('intro')}</p>
      <div className="grid gap-5 lg:grid-cols-2 items-start">
        <Section title={t('newestModels')}>
          <Shown of={models}>
            {(rows) =>
              rows.length === 0 ? (
                <EmptyState icon="models" title={t('noModels')}>{t('noModelsNext')}</EmptyState>
              ) : (
                <ul className="flex flex-col">{(rows as Model[]).slice(0, SHOWN).map((m) => <ModelStart key={m.modelId} name={m.modelId} />)}</ul>
              )
            }
          </Shown>
        </Section>
        <Section title={t('newestDatasets')}>
          <Shown of={datasets}>
            {({ items }) =>
              items.length === 0 ? (
                <EmptyState icon="datasets" title={t('noDatasets')} action={<LinkButton needs="POST /v1/datasets" look="primary" icon="plus" href="/datasets/new">{t('newDataset')}</LinkButton>} />
              ) : (
                <ul className="flex flex-col">
                  {(items as DatasetRow[]).map((d) => <Line key={d.id} href={href(d.id)} name={`${d.name}@${d.versions.latest}`} at={d.createdAt} />)}
                </ul>
              )
            }
          </Shown>
        </Section>
      </div>
      <Section title={t('byId')}>
        <form className="flex flex-wrap items-end gap-3" onSubmit={(event) => { event.preventDefault(); if (id.trim()) navigate(href(id.trim())); }}>
          <div className="grow max-w-96"><TextField label={t('id')} value={id} onChange={setId} /></div>
          <Button type="submit" icon="lineage" disabled={!id.trim()}>{t('show')}</Button>
        </form>
      </Section>
    </Page>
  );
}

function Line({ href: to, name, at }: { href: string; name: string; at: string }) {
  return (
    <li className="flex justify-between gap-3 border-b border-line last:border-b-0 py-1.5">
      <span className="min-w-0 break-words"><TextLink className="inline-block py-0.5" href={to}>{name}</TextLink></span>
      <span className="text-muted"><Time at={at} ago /></span>
    </li>
  );
}

/** The newest version of a model. */
function ModelStart({ name }: { name: string }) {
  const versions = useApi('/v1/models/{id}/versions', { path: { id: name } });
  const newest = (versions.data as Version[] | undefined)?.[0];
  return newest ? <Line href={href(newest.id)} name={`${name}@${newest.modelVersion}`} at={newest.createdAt} /> : null;
}
