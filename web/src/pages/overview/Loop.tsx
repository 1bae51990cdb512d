/* From its data to a game against it: the model that serves as `prod`, in four steps to open; where none does, the way to one. */
import type { ReactNode } from 'react';
import { Link } from 'wouter';
import { hasPage } from '../../app/pages';
import { useApi } from '../../api/useApi';
import { useWords } from '../../i18n';
import { Icon, Num, Section, type IconName } from '../../ui';
import { words } from './words';

const BLANK = '\u00a0';

interface Step {
  icon: IconName;
  name: string;
  main: ReactNode;
  more: ReactNode;
  href: string;
}

export function Loop({ prod }: { prod: string | null | undefined }) {
  const t = useWords(words);
  const [id = '', number = ''] = prod?.split('@') ?? [];
  const versions = useApi(id ? '/v1/models/{id}/versions' : null, { path: { id } }, { poll: 30000 });
  const version = versions.data?.find((v) => v.modelVersion === number);
  const dataset = useApi(version?.datasetId ? '/v1/datasets/{id}' : null, { path: { id: version?.datasetId ?? '' } });
  const top1 = version?.metrics?.top1;
  // Its place is the same before it is known what serves, and where nothing does: what lies below must not move.
  const empty = prod === null;
  const run = version?.runId;
  const steps: Step[] = [
    dataset.data
      ? { icon: 'datasets', name: t('stepData'), main: `${dataset.data.name}@${dataset.data.version}`, more: <><Num value={dataset.data.rows} /> {t('stepRows')}</>, href: `/datasets/${dataset.data.id}` }
      : { icon: 'datasets', name: t('stepData'), main: empty ? t('stepImport') : BLANK, more: empty ? t('stepImportMore') : BLANK, href: empty ? '/games' : '/datasets' },
    { icon: 'runs', name: t('stepTraining'), main: run ? (typeof top1 === 'number' ? <>{t('stepTop1')} <Num value={top1} percent /></> : t('stepRun')) : empty ? t('stepBuild') : BLANK, more: run ? t('stepCharts') : empty ? t('stepBuildMore') : BLANK, href: run ? `/runs/${run}` : empty ? '/datasets/new' : '/runs' },
    { icon: 'models', name: t('stepModel'), main: prod || (empty ? t('stepNone') : BLANK), more: id ? t('stepServes') : empty ? t('stepNoneMore') : BLANK, href: id ? `/models/${encodeURIComponent(id)}` : '/models' },
  ];
  if (!version || version.kind === 'chess.policy') steps.push({ icon: 'chess', name: t('stepPlay'), main: t('stepBoard'), more: t('stepBoardMore'), href: '/play' });
  return (
    <Section title={t('loop')} card={false}>
      <ol className="grid gap-3 sm:grid-cols-2 xl:grid-cols-4">
        {steps.filter((s) => hasPage(s.href)).map((s) => (
          <li key={s.icon}>
            <Link href={s.href} className="card px-4 py-3 h-full flex items-start gap-3 hover:bg-raised hover:border-edge">
              <Icon name={s.icon} size={20} className="text-lamp shrink-0 mt-1" />
              <span className="min-w-0">
                <span className="block text-muted text-[0.86rem]">{s.name}</span>
                <span className="block font-semibold break-words">{s.main}</span>
                <span className="block text-muted text-[0.86rem]">{s.more}</span>
              </span>
            </Link>
          </li>
        ))}
      </ol>
    </Section>
  );
}
