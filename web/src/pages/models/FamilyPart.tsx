/* How a family of the model serves: slots, the rule of judging in words, accuracy by hour, decisions with their reasons. */
import { useMemo } from 'react';
import { api } from '../../api/client';
import { useApi } from '../../api/useApi';
import { useLang, useWords } from '../../i18n';
import { Said } from '../../i18n/server';
import { Button, Chart, DataTable, Num, Section, Status, Time, useAction, type ChartSeries, type Column } from '../../ui';
import { FamilySlots } from './FamilySlots';
import { HISTORY, type Decision, type Family, type History } from './types';
import { words } from './words';

const toneOf = (decision: string) => (decision === 'rollback' ? 'bad' : decision === 'swap_production_b' ? 'good' : 'idle');

function seriesOf(history: History): ChartSeries[] {
  const by = new Map<string, { x: number[]; y: (number | null)[] }>();
  for (const hour of [...history.hours].sort((a, b) => Date.parse(a.hour) - Date.parse(b.hour))) {
    const label = `${hour.alias} (${hour.version})`;
    const series = by.get(label) ?? { x: [], y: [] };
    by.set(label, series);
    series.x.push(Date.parse(hour.hour) / 1000);
    series.y.push(hour.accuracy);
  }
  return [...by].map(([label, s]) => ({ label, ...s }));
}

export function FamilyPart({ family }: { family: Family }) {
  const t = useWords(words);
  const { lang } = useLang();
  const { busy, act } = useAction();
  const asked = useApi('/v1/serving/{family}/history', { path: { family: family.family }, query: HISTORY }, { poll: 5000 });
  const history = asked.data;
  const series = useMemo(() => (history ? seriesOf(history) : []), [history]);
  const share = new Intl.NumberFormat(lang, { style: 'percent' }).format(family.ratio);
  const judge = () => act('judge', () => api('POST', '/v1/serving/promotion', { body: { family: family.family } }), t('judgeAsked'));
  const nameOf = (d: Decision) => {
    const key = `d_${d.decision}`;
    return key in words.en ? t(key as 'd_rollback') : d.decision;
  };
  const columns: Column<Decision>[] = [
    { id: 'at', title: t('at'), value: (d) => d.at, cell: (d) => <Time at={d.at} />, width: 190 },
    { id: 'decision', title: t('decision'), value: (d) => d.decision, cell: (d) => <Status state={d.decision} label={nameOf(d)} tone={toneOf(d.decision)} />, width: 170 },
    { id: 'reason', title: t('reason'), value: (d) => d.reason, cell: (d) => <Said title>{d.reason}</Said> },
    { id: 'by', title: t('by'), value: (d) => d.by || d.source, width: 120 },
  ];
  const newest = history?.decisions[0];
  return (
    <Section title={t('familyOf', { name: family.family })} actions={<Button needs="POST /v1/serving/promotion" busy={busy === 'judge'} onClick={() => void judge()}>{t('judgeNow')}</Button>}>
      <FamilySlots family={family} />
      <details className="mt-3">
        <summary className="font-medium">{t('judging')}</summary>
        <div className="max-w-[80ch] text-muted flex flex-col gap-1 mt-1">
          <p>{t('ratio', { share })}</p>
          <p>{t(family.byOutcome ? 'judgingOutcome' : 'judgingAccuracy')}</p>
          <p>{t('judgingRollback')}</p>
          <p>{t('drift')}: {t('driftHint')}</p>
        </div>
      </details>
      {series.length > 0 && <div className="mt-4"><Chart title={t('accuracyByHour')} series={series} height={180} controls /></div>}
      <h3 className="font-semibold mt-4 mb-2">{t('decisions')} <span className="text-muted font-normal"><Num value={history?.decisions.length} /></span></h3>
      {newest && <p className="mb-2 max-w-[100ch]"><Said>{newest.reason}</Said></p>}
      <DataTable name="decisions" label={t('decisions')} simple param="d" height={260} rows={history?.decisions ?? []} rowKey={(d) => String(d.id)} columns={columns} empty={<p className="text-muted">{t('noDecisions')}</p>} />
    </Section>
  );
}
