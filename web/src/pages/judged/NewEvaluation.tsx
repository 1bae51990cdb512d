/* A new evaluation: which version, beside which, by what, on what. */
import { api } from '../../api/client';
import { invalidate, useApi } from '../../api/useApi';
import { useWords } from '../../i18n';
import { DatasetChoice, ModelChoice } from '../../start/Choices';
import { StartForm } from '../../start/Form';
import type { ModelKind } from '../../start/kinds';
import { Options } from '../../start/Options';
import { bodyOf, useStart, type Fields } from '../../start/useStart';
import { words as startWords } from '../../start/words';
import { EmptyState, LinkButton, Page, Section, SelectField, Shown } from '../../ui';
import type { Model } from '../models/types';
import { words } from './words';

export default function NewEvaluation() {
  const t = useWords(startWords);
  const tj = useWords(words);
  const kinds = useApi('/v1/trainings/kinds');
  const models = useApi('/v1/models');
  return (
    <Page title={t('newEvaluation')} crumbs={[{ title: tj('title'), href: '/judged' }]}>
      <Shown of={kinds}>{({ items }) => <Shown of={models}>{(all) => <Choose kinds={items.filter((k) => k.suites.length > 0)} all={all} />}</Shown>}</Shown>
    </Page>
  );
}

function Choose({ kinds, all }: { kinds: ModelKind[]; all: Model[] }) {
  const t = useWords(startWords);
  const models = all.filter((m) => kinds.some((k) => k.kind === m.kind));
  if (models.length === 0) return <EmptyState icon="models" title={t('noModels')} action={<LinkButton needs="POST /v1/trainings" look="primary" icon="play" href="/runs/new">{t('trainOne')}</LinkButton>}>{t('noModelsNext')}</EmptyState>;
  return <Form kinds={kinds} models={models} />;
}

const own = ['candidateModelId', 'candidateVersion', 'baselineModelId', 'baselineVersion', 'suite'];

function Form({ kinds, models }: { kinds: ModelKind[]; models: Model[] }) {
  const t = useWords(startWords);
  const { values, set, busy, begin, errorOf, refused } = useStart([...own, ...kinds.flatMap((k) => Object.keys(k.evaluation.properties))]);
  const candidate = values.candidateModelId ?? models[0]!.modelId;
  const kindName = models.find((m) => m.modelId === candidate)?.kind;
  const kind = kinds.find((k) => k.kind === kindName) ?? kinds[0]!;
  const suite = kind.suites.includes(values.suite ?? '') ? values.suite! : kind.suites[0]!;
  const takes = Object.entries(kind.evaluation.properties).filter(([, field]) => !field.suites || field.suites.includes(suite));
  const fields: Fields = takes.filter(([name]) => name !== 'datasetId');
  const hasDataset = 'datasetId' in kind.evaluation.properties;
  const start = () =>
    begin(async () => {
      const named = Object.fromEntries(own.map((name) => [name, values[name] ?? '']).filter(([, value]) => value));
      const body = { ...named, candidateModelId: candidate, suite, ...bodyOf(takes, values) };
      const made = await api('POST', '/v1/evaluations', { body: body as never });
      invalidate('/v1/evaluations');
      return `/judged/${made.evaluationId}`;
    });
  return (
    <StartForm needs="POST /v1/evaluations" refused={refused} busy={busy} action={t('evaluate')} icon="play" onStart={() => void start()}>
      <Section title={t('what')}>
        <div className="grid gap-3 lg:grid-cols-2 items-start">
          <ModelChoice models={models} of={t('candidate')} empty="–" names={['candidateModelId', 'candidateVersion']} model={candidate} version={values.candidateVersion ?? ''} onChange={(model, version) => set({ candidateModelId: model, candidateVersion: version })} errorOf={errorOf} />
          <ModelChoice models={models.filter((m) => m.kind === kind.kind)} of={t('baseline')} empty={t('noBaseline')} names={['baselineModelId', 'baselineVersion']} model={values.baselineModelId ?? ''} version={values.baselineVersion ?? ''} onChange={(model, version) => set({ baselineModelId: model, baselineVersion: version })} errorOf={errorOf} />
          <SelectField name="suite" label={t('suite')} hint={`s_${suite}` in startWords.en ? t(`s_${suite}` as 's_topk') : undefined} error={errorOf('suite')} value={suite} onChange={(value) => set({ suite: value })} options={kind.suites.map((name) => ({ value: name, label: name }))} />
          {hasDataset && <DatasetChoice kind={kind.datasetKind} empty={t('itsDataset')} value={values.datasetId ?? ''} onChange={(value) => set({ datasetId: value })} error={errorOf('datasetId')} />}
        </div>
      </Section>
      {fields.length > 0 && (
        <Section title={t('options')}>
          <p className="text-muted mb-3">{t('optionsHint')}</p>
          <Options key={`${kind.kind} ${suite}`} fields={fields} values={values} set={set} errorOf={errorOf} />
        </Section>
      )}
    </StartForm>
  );
}
