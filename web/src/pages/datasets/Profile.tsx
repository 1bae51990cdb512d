/* What was measured of a dataset when it was built: its columns, its counts, and how good it is. */
import { useLang, useWords } from '../../i18n';
import { DataTable, EmptyState, Facts, formatNumber, Num, Section, Status, Time, type Column } from '../../ui';
import { useChoiceName } from './Fields';
import type { Check, DatasetColumn, DatasetWhole, Json } from './types';
import { words } from './words';

const isCounts = (value: Json): value is Record<string, number> => value !== null && typeof value === 'object' && !Array.isArray(value) && Object.values(value).every((v) => typeof v === 'number');
const isTime = (value: Json): value is string => typeof value === 'string' && /^\d{4}-\d\d-\d\dT/.test(value);

function useStatName() {
  const t = useWords(words);
  return (name: string) => {
    const key = `s_${name}` as keyof typeof words.en;
    return key in words.en ? t(key) : name;
  };
}

export function Profile({ of }: { of: DatasetWhole }) {
  const t = useWords(words);
  const nameOf = useStatName();
  const columns = of.profile?.schema?.columns ?? [];
  const stats = Object.entries(of.profile?.stats ?? {});
  const splits = Object.entries(of.manifest?.splits ?? {});
  const plain = stats.filter(([, value]) => typeof value === 'number' || typeof value === 'string');
  return (
    <div className="flex flex-col gap-5">
      {plain.length > 0 && (
        <Section title={t('counts')}>
          <Facts of={plain.map(([name, value]) => [nameOf(name), typeof value === 'number' ? <Num key="n" value={value} /> : isTime(value) ? <Time key="t" at={value} /> : String(value)])} />
        </Section>
      )}
      <div className="grid gap-5 md:grid-cols-2 xl:grid-cols-3">
        {splits.length > 0 && <Histogram title={t('splits')} counts={Object.fromEntries(splits.map(([name, split]) => [name, split.rows]))} />}
        {stats.filter((stat): stat is [string, Record<string, number>] => isCounts(stat[1])).map(([name, counts]) => <Histogram key={name} title={nameOf(name)} counts={counts} />)}
      </div>
      {columns.length > 0 && <Columns rows={columns} />}
    </div>
  );
}

/** Bars as a list: each says its name, its count and its share. */
function Histogram({ title, counts }: { title: string; counts: Record<string, number> }) {
  const { lang } = useLang();
  const choiceOf = useChoiceName();
  const all = Object.values(counts).reduce((sum, n) => sum + n, 0);
  const most = Math.max(1, ...Object.values(counts));
  return (
    <Section title={title}>
      <ul className="flex flex-col gap-1.5">
        {Object.entries(counts).map(([name, n]) => (
          <li key={name} className="grid grid-cols-[8.5rem_1fr_8rem] items-center gap-2">
            <span className="truncate" title={name}>{choiceOf(name)}</span>
            <span aria-hidden className="h-3 rounded-sm bg-raised overflow-hidden"><span className="block h-full" style={{ width: `${(100 * n) / most}%`, background: 'var(--chart-1)' }} /></span>
            <span className="text-right whitespace-nowrap">{formatNumber(n, lang)} <span className="text-muted inline-block min-w-14"><Num value={all ? n / all : 0} percent /></span></span>
          </li>
        ))}
      </ul>
    </Section>
  );
}

function Columns({ rows }: { rows: DatasetColumn[] }) {
  const t = useWords(words);
  const has = (of: (c: DatasetColumn) => unknown) => rows.some((c) => of(c) !== undefined && of(c) !== null);
  const number = (id: 'min' | 'max'): Column<DatasetColumn> => ({ id, title: t(id), value: (c) => c[id], cell: (c) => <Num value={c[id]} />, width: 120, align: 'right' });
  const percent = (id: 'nullPct' | 'uniquePct'): Column<DatasetColumn> => ({ id, title: t(id), value: (c) => c[id], cell: (c) => <Num value={c[id] === null || c[id] === undefined ? null : c[id] / 100} percent />, width: 130, align: 'right' });
  const columns: Column<DatasetColumn>[] = [
    { id: 'name', title: t('column'), value: (c) => c.name },
    { id: 'type', title: t('type'), value: (c) => c.dtype ?? c.type, width: 110 },
    ...(has((c) => c.nullPct) ? [percent('nullPct')] : []),
    ...(has((c) => c.uniquePct) ? [percent('uniquePct')] : []),
    ...(has((c) => c.min) ? [number('min')] : []),
    ...(has((c) => c.max) ? [number('max')] : []),
  ];
  return (
    <Section title={t('columns')} card={false}>
      <DataTable name="dataset.columns" label={t('columns')} simple param="c" rows={rows} rowKey={(c) => c.name} columns={columns} />
    </Section>
  );
}

export function Quality({ of }: { of: DatasetWhole }) {
  const t = useWords(words);
  const { lang } = useLang();
  const measured = Object.entries(of.profile?.quality ?? {});
  const textOf = (c: Check) => {
    const reason = `l_${c.of}` as keyof typeof words.en;
    const n = formatNumber(c.value, lang);
    if (c.check === 'split') return c.passed ? t('splitPassed', { of: c.of, n }) : t('splitFailed', { of: c.of });
    const what = reason in words.en ? t(reason) : c.of;
    return c.passed ? t('leftOutPassed', { what }) : t('leftOutFailed', { what, n });
  };
  const nameOf = (name: string) => {
    const key = `q_${name}` as keyof typeof words.en;
    return key in words.en ? t(key) : name;
  };
  const hintOf = (name: string) => {
    const key = `qh_${name}` as keyof typeof words.en;
    return key in words.en ? t(key) : '';
  };
  return (
    <div className="grid gap-5 lg:grid-cols-2 items-start">
      <Section title={t('checks')}>
        {of.checks.length === 0 ? (
          <EmptyState title={t('noChecks')} />
        ) : (
          <ul className="flex flex-col gap-2">
            {of.checks.map((c) => (
              <li key={`${c.check} ${c.of}`} data-check={`${c.check} ${c.of}`} className="flex gap-3 items-start">
                <span className="w-28 shrink-0"><Status state={c.passed ? 'ok' : 'failed'} label={c.passed ? t('passed') : t('failed')} /></span>
                <span className="min-w-0 break-words">{textOf(c)}</span>
              </li>
            ))}
          </ul>
        )}
      </Section>
      {measured.length > 0 && (
        <Section title={t('measured')}>
          <dl className="flex flex-col gap-3">
            {measured.map(([name, value]) => (
              <div key={name}>
                <dt className="flex justify-between gap-3 font-medium"><span>{nameOf(name)}</span><Num value={value / 100} percent digits={2} /></dt>
                <dd className="text-muted">{hintOf(name)}</dd>
              </div>
            ))}
          </dl>
        </Section>
      )}
    </div>
  );
}
