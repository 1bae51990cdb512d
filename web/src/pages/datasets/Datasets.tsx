/* All datasets, the newest version of each. */
import { useEffect, useState } from 'react';
import { api } from '../../api/client';
import { useApi } from '../../api/useApi';
import { useShortcut } from '../../app/shortcuts';
import { useLang, useWords } from '../../i18n';
import { Bytes, DataTable, EmptyState, formatNumber, LinkButton, Num, Page, Shown, Status, TextLink, Time, toast, type Column } from '../../ui';
import { useLocation } from 'wouter';
import { hrefOf, type DatasetRow } from './types';
import { words } from './words';

const PAGE = 100;

/** What lies behind the first page; asked for anew when that page changes. */
function useRest(first: DatasetRow[] | undefined, next: number | undefined): DatasetRow[] {
  const [rest, setRest] = useState<DatasetRow[]>([]);
  const key = first?.map((d) => d.id).join();
  useEffect(() => {
    if (next === undefined) {
      setRest([]);
      return;
    }
    const controller = new AbortController();
    const read = async () => {
      const all: DatasetRow[] = [];
      for (let offset: number | undefined = next; offset !== undefined; ) {
        const page: { items: DatasetRow[]; nextOffset?: number } = await api('GET', '/v1/datasets', { query: { limit: PAGE, offset }, signal: controller.signal });
        all.push(...page.items);
        offset = page.nextOffset;
      }
      setRest(all);
    };
    read().catch((error: unknown) => !controller.signal.aborted && toast.error(error));
    return () => controller.abort();
  }, [key, next]);
  return rest;
}

export default function Datasets() {
  const t = useWords(words);
  const { lang } = useLang();
  const [, navigate] = useLocation();
  const first = useApi('/v1/datasets', { query: { limit: PAGE } }, { poll: 5000 });
  const rest = useRest(first.data?.items, first.data?.nextOffset);
  useShortcut('n', t('new'), () => navigate('/datasets/new'));
  const splitsOf = (d: DatasetRow) => Object.entries(d.splits);
  const columns: Column<DatasetRow>[] = [
    { id: 'name', title: t('name'), value: (d) => d.name, cell: (d) => <TextLink href={hrefOf(d.id)}>{d.name}</TextLink> },
    { id: 'version', title: t('version'), value: (d) => d.versions.latest, cell: (d) => <span title={d.versions.latest}>{d.versions.latest}</span>, width: 80 },
    { id: 'versions', title: t('versions'), value: (d) => d.versions.count, width: 100, align: 'right', hidden: true },
    { id: 'kind', title: t('kind'), value: (d) => d.kind, width: 130 },
    { id: 'state', title: t('state'), value: (d) => d.status, cell: (d) => <Status state={d.status} />, width: 95 },
    { id: 'rows', title: t('rows'), value: (d) => d.rows, cell: (d) => (d.rows ? <Num value={d.rows} /> : '–'), width: 85, align: 'right' },
    {
      id: 'splits',
      title: t('splits'),
      value: (d) => splitsOf(d).map(([name, rows]) => `${name} ${rows}`).join(', '),
      cell: (d) => {
        const splits = splitsOf(d);
        return splits.length ? <span title={splits.map(([name, rows]) => `${name} ${formatNumber(rows, lang)}`).join(', ')}>{splits.map(([, rows]) => formatNumber(rows, lang)).join(' / ')}</span> : '–';
      },
      width: 160,
    },
    { id: 'size', title: t('size'), value: (d) => d.sizeBytes, cell: (d) => (d.sizeBytes ? <Bytes value={d.sizeBytes} /> : '–'), width: 85, rank: 2, align: 'right' },
    { id: 'made', title: t('made'), value: (d) => d.createdAt, cell: (d) => <Time at={d.createdAt} ago />, width: 105 },
    {
      id: 'quality',
      title: t('quality'),
      value: (d) => (d.checks.passed + d.checks.failed ? -d.checks.failed : null),
      cell: ({ checks }) => (checks.failed ? <Status state="failed" label={t('failedN', { n: checks.failed })} /> : checks.passed ? <Status state="ok" label={t('passedAll')} /> : '–'),
      width: 140,
      rank: 0,
    },
  ];
  return (
    <Page title={t('title')} actions={<LinkButton needs="POST /v1/datasets" look="primary" icon="plus" href="/datasets/new">{t('new')}</LinkButton>}>
      <Shown of={first}>
        {({ items }) => (
          <DataTable
            name="datasets"
            label={t('title')}
            rows={[...items, ...rest]}
            rowKey={(d) => d.id}
            columns={columns}
            href={(d) => hrefOf(d.id)}
            empty={
              <EmptyState icon="datasets" title={t('none')} action={<span className="flex flex-wrap justify-center gap-2"><LinkButton needs="POST /v1/datasets" look="primary" icon="plus" href="/datasets/new">{t('new')}</LinkButton><LinkButton needs="POST /v1/ingest" icon="upload" href="/games">{t('toImport')}</LinkButton></span>}>
                {t('noneNext')}
              </EmptyState>
            }
          />
        )}
      </Shown>
    </Page>
  );
}
