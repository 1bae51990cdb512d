/* The four slots of a family: what is in each, and how good it has been since it is there. */
import { useWords } from '../../i18n';
import { DataTable, Num, Status, Time, type Column } from '../../ui';
import type { Family, Slot } from './types';
import { words } from './words';

export function FamilySlots({ family }: { family: Family }) {
  const t = useWords(words);
  const drift = (s: Slot) => (s.driftInputs === null && s.driftPredictions === null ? null : Math.max(s.driftInputs ?? 0, s.driftPredictions ?? 0));
  const columns: Column<Slot>[] = [
    { id: 'alias', title: t('alias'), value: (s) => s.alias, cell: (s) => <strong>{s.alias}</strong>, width: 115 },
    {
      id: 'version',
      title: t('version'),
      value: (s) => s.version,
      cell: (s) => (s.failure ? <span title={s.failure}><Status state="failed" label={`${s.aliasVersion}`} /></span> : s.version ? <Num value={s.version} /> : <span className="text-muted">{t('empty')}</span>),
      width: 90,
      align: 'right',
    },
    { id: 'accuracy', title: t('accuracy'), value: (s) => s.accuracy, cell: (s) => <Num value={s.accuracy} percent />, width: 125, align: 'right' },
    { id: 'judged', title: t('judged'), value: (s) => s.judged, cell: (s) => <Num value={s.judged} />, width: 90, align: 'right', rank: 2 },
    { id: 'predictions', title: t('predictions'), value: (s) => s.predictions, cell: (s) => <Num value={s.predictions} />, width: 110, align: 'right', rank: 3 },
    { id: 'logLoss', title: t('logLoss'), value: (s) => s.logLoss, cell: (s) => <Num value={s.logLoss} digits={3} />, width: 95, align: 'right' },
    { id: 'calibration', title: t('calibration'), value: (s) => s.calibrationError, cell: (s) => <Num value={s.calibrationError} digits={2} />, width: 110, align: 'right' },
    { id: 'wins', title: t('wins'), value: (s) => s.wins, cell: (s) => (s.outcomes ? `${s.wins} / ${s.outcomes}` : '–'), width: 100, align: 'right' },
    { id: 'drift', title: t('drift'), value: drift, cell: (s) => <Num value={drift(s)} digits={2} />, width: 70, align: 'right' },
    { id: 'since', title: t('since'), value: (s) => s.since, cell: (s) => <Time at={s.since} ago />, width: 110, align: 'right', rank: 2 },
  ];
  const failed = family.slots.filter((s) => s.failure);
  return (
    <>
      <DataTable name="serving" label={t('familyOf', { name: family.family })} simple param={`${family.family}.`} rows={family.slots} rowKey={(s) => s.alias} columns={columns} />
      {failed.map((s) => <p key={s.alias} className="text-bad mt-2">{s.alias}: <span lang="en">{s.failure}</span></p>)}
    </>
  );
}
