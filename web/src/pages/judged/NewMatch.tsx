/* A new match: two versions, how many games, how freely they choose. */
import { call } from '../../api/client';
import { invalidate, useApi } from '../../api/useApi';
import { useWords } from '../../i18n';
import { ModelChoice } from '../../start/Choices';
import { StartForm } from '../../start/Form';
import type { Begun, ModelKind } from '../../start/kinds';
import { Options } from '../../start/Options';
import { bodyOf, useStart, type Fields } from '../../start/useStart';
import { words as startWords } from '../../start/words';
import { EmptyState, LinkButton, Page, Section, SelectField, Shown } from '../../ui';
import type { Model } from '../models/types';
import { words } from './words';

export default function NewMatch() {
  const t = useWords(startWords);
  const tj = useWords(words);
  const kinds = useApi('/v1/trainings/kinds');
  const models = useApi('/v1/models');
  return (
    <Page title={t('newMatch')} crumbs={[{ title: tj('title'), href: '/judged?tab=matches' }]}>
      <Shown of={kinds}>{({ items }) => <Shown of={models}>{(all) => <Choose kinds={items.filter((k) => k.matchAt !== null)} all={all} />}</Shown>}</Shown>
    </Page>
  );
}

function Choose({ kinds, all }: { kinds: ModelKind[]; all: Model[] }) {
  const t = useWords(startWords);
  const playing = kinds.filter((k) => all.some((m) => m.kind === k.kind));
  if (playing.length === 0) return <EmptyState icon="models" title={t('noModels')} action={<LinkButton needs="POST /v1/trainings" look="primary" icon="play" href="/runs/new">{t('trainOne')}</LinkButton>}>{t('noModelsNext')}</EmptyState>;
  return <Form kinds={playing} all={all} />;
}

const refOf = (model: string, version: string) => (version ? `${model}@${version}` : model);

function Form({ kinds, all }: { kinds: ModelKind[]; all: Model[] }) {
  const t = useWords(startWords);
  const { values, set, busy, begin, errorOf, refused } = useStart(['modelId', 'version', 'baselineId', 'baselineVersion', ...kinds.flatMap((k) => Object.keys(k.match.properties))]);
  const kind = kinds.find((k) => k.kind === values.kind) ?? kinds[0]!;
  const models = all.filter((m) => m.kind === kind.kind);
  const fields: Fields = Object.entries(kind.match.properties);
  const { modelId = '', version = '', baselineId = '', baselineVersion = '' } = values;
  const start = () =>
    begin(async () => {
      const body = { ...(modelId ? { modelId: refOf(modelId, version) } : {}), ...(baselineId ? { baselineId: refOf(baselineId, baselineVersion) } : {}), ...bodyOf(fields, values) };
      const begun = (await call('POST', kind.matchAt!, { body })) as Begun;
      invalidate('/v1/selfplay');
      return `/judged/matches/${begun.runId}`;
    });
  return (
    <StartForm needs="POST /v1/selfplay" refused={refused} busy={busy} action={t('startMatch')} icon="play" onStart={() => void start()}>
      <Section title={t('who')}>
        <div className="grid gap-3 lg:grid-cols-2 items-start">
          {kinds.length > 1 && <SelectField name="kind" label={t('kind')} value={kind.kind} onChange={(value) => set({ kind: value })} options={kinds.map((k) => ({ value: k.kind, label: k.title }))} />}
          <ModelChoice models={models} of={t('candidate')} empty={t('whatServes')} names={['modelId', 'version']} model={modelId} version={version} onChange={(model, v) => set({ modelId: model, version: v })} errorOf={errorOf} />
          <ModelChoice models={models} of={t('baseline')} empty={t('whatServes')} names={['baselineId', 'baselineVersion']} model={baselineId} version={baselineVersion} onChange={(model, v) => set({ baselineId: model, baselineVersion: v })} errorOf={errorOf} />
        </div>
        <p className="text-muted mt-3 max-w-[80ch]">{t('selfplayHint')}</p>
      </Section>
      <Section title={t('options')}>
        <Options fields={fields} values={values} set={set} errorOf={errorOf} />
      </Section>
    </StartForm>
  );
}
