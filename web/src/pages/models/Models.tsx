/* All models, and the families in which they answer. */
import { useApi } from '../../api/useApi';
import { useWords } from '../../i18n';
import { Said } from '../../i18n/server';
import { DataTable, EmptyState, LinkButton, Page, Section, Shown, Tabs, TextLink, type Column } from '../../ui';
import { FamilySlots } from './FamilySlots';
import type { Model } from './types';
import { words } from './words';

export default function Models() {
  const t = useWords(words);
  return (
    <Page title={t('title')}>
      <Tabs
        label={t('title')}
        tabs={[
          { id: 'models', title: t('registered'), render: () => <Registered /> },
          { id: 'serving', title: t('families'), render: () => <Families /> },
        ]}
      />
    </Page>
  );
}

function Registered() {
  const t = useWords(words);
  const models = useApi('/v1/models', {}, { poll: 10000 });
  const columns: Column<Model>[] = [
    { id: 'name', title: t('name'), value: (m) => m.modelId, cell: (m) => <TextLink href={`/models/${encodeURIComponent(m.modelId)}`}>{m.modelId}</TextLink> },
    { id: 'description', title: t('description'), value: (m) => (m.displayName === m.modelId ? '' : m.displayName), cell: (m) => (m.displayName === m.modelId ? '–' : <Said or="anything">{m.displayName}</Said>) },
    { id: 'kind', title: t('kind'), value: (m) => m.kind, width: 180 },
    { id: 'latest', title: t('latest'), value: (m) => m.latestVersion, width: 140, align: 'right' },
  ];
  return (
    <Shown of={models}>
      {(rows) => (
        <DataTable
          name="models"
          label={t('registered')}
          rows={rows}
          rowKey={(m) => m.modelId}
          columns={columns}
          href={(m) => `/models/${encodeURIComponent(m.modelId)}`}
          empty={<EmptyState icon="models" title={t('none')} action={<LinkButton needs="POST /v1/trainings" look="primary" icon="plus" href="/runs/new">{t('newTraining')}</LinkButton>}>{t('noneNext')}</EmptyState>}
        />
      )}
    </Shown>
  );
}

function Families() {
  const t = useWords(words);
  const serving = useApi('/v1/serving', {}, { poll: 5000 });
  return (
    <Shown of={serving}>
      {({ items }) =>
        items.length ? (
          <div className="grid gap-5">
            {items.map((family) => (
              <Section key={family.family} title={t('familyOf', { name: family.family })} actions={<TextLink href={`/models/${encodeURIComponent(family.modelId)}`}>{family.modelId}</TextLink>}>
                <p className="text-muted mb-3"><Said>{family.help}</Said></p>
                <FamilySlots family={family} />
              </Section>
            ))}
          </div>
        ) : (
          <EmptyState icon="models" title={t('noFamilies')} />
        )
      }
    </Shown>
  );
}
