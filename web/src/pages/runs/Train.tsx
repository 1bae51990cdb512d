/* A new training: of which kind, on what, with which options; then it is the run's page that shows how it goes. */
import { useEffect } from 'react';
import { call } from '../../api/client';
import { invalidate, useApi } from '../../api/useApi';
import { useWords } from '../../i18n';
import { DatasetChoice, useDatasets } from '../../start/Choices';
import { StartForm } from '../../start/Form';
import type { Begun, ModelKind } from '../../start/kinds';
import { Options } from '../../start/Options';
import { bodyOf, useStart, type Fields } from '../../start/useStart';
import { words as startWords } from '../../start/words';
import { EmptyState, LinkButton, Page, Section, SelectField, Shown } from '../../ui';
import { words } from './words';

export default function Train() {
  const t = useWords(startWords);
  const tr = useWords(words);
  const kinds = useApi('/v1/trainings/kinds');
  return (
    <Page title={t('newTraining')} crumbs={[{ title: tr('title'), href: '/runs' }]}>
      <Shown of={kinds}>{({ items }) => (items.length ? <Form kinds={items} /> : <EmptyState icon="runs" title={t('noKinds')} />)}</Shown>
    </Page>
  );
}

function Form({ kinds }: { kinds: ModelKind[] }) {
  const t = useWords(startWords);
  const { values, set, busy, begin, errorOf, refused } = useStart(['datasetId', ...kinds.flatMap((k) => Object.keys(k.training.properties))]);
  const kind = kinds.find((k) => k.kind === values.kind) ?? kinds[0]!;
  const fields: Fields = Object.entries(kind.training.properties);
  const datasetId = values.datasetId ?? '';
  const { list, ready, asked } = useDatasets(kind.datasetKind, datasetId);
  // A dataset that another kind is trained on, or that another one makes, says which kind is meant.
  const meant = asked && kinds.find((k) => k.datasetKind === asked.kind);
  useEffect(() => {
    if (meant && !values.kind && meant.kind !== kind.kind) set({ kind: meant.kind });
  }, [meant, kind.kind, values.kind, set]);
  const start = () =>
    begin(async () => {
      const body = { ...bodyOf(fields, values), ...(kind.needsDataset && datasetId ? { datasetId } : {}) };
      const begun = (await call('POST', kind.trainAt, { body })) as Begun;
      invalidate('/v1/runs');
      invalidate('/v1/jobs');
      return `/runs/${begun.runId}`;
    });
  const isEmpty = kind.needsDataset && list.data !== undefined && ready.length === 0 && !datasetId;
  return (
    <StartForm needs="POST /v1/trainings" refused={refused} busy={busy} action={t('train')} icon="play" onStart={() => void start()}>
      <Section title={t('what')}>
        <div className="grid gap-3 sm:grid-cols-2 items-start max-w-4xl">
          {kinds.length > 1 && <SelectField name="kind" label={t('kind')} value={kind.kind} onChange={(value) => set({ kind: value, datasetId: '' })} options={kinds.map((k) => ({ value: k.kind, label: `${k.title} (${k.kind})` }))} />}
          {kind.needsDataset && !isEmpty && <DatasetChoice kind={kind.datasetKind} empty="–" value={datasetId} onChange={(value) => set({ datasetId: value })} error={errorOf('datasetId')} />}
        </div>
        {!kind.needsDataset && <p className="text-muted mt-3 max-w-[80ch]">{t('ownRows')}</p>}
        {isEmpty && <EmptyState icon="datasets" title={t('noDatasets')} action={<LinkButton look="primary" icon="plus" href="/datasets/new">{t('buildOne')}</LinkButton>}>{t('noDatasetsNext')}</EmptyState>}
      </Section>
      <Section title={t('options')}>
        <p className="text-muted mb-3">{t('optionsHint')}</p>
        <Options key={kind.kind} fields={fields} values={values} set={set} errorOf={errorOf} />
      </Section>
    </StartForm>
  );
}
