/* One model: its aliases (a version is dropped on one, or promoted by its button), versions, the ledger, and how it serves. */
import { useState, type DragEvent } from 'react';
import { useDenied } from '../../api/access';
import { api } from '../../api/client';
import { invalidate, useApi } from '../../api/useApi';
import { rank } from '../../app/interest';
import { useLastPart } from '../../app/params';
import { useWords } from '../../i18n';
import { Said } from '../../i18n/server';
import { Button, Bytes, DataTable, Dialog, EmptyState, LinkButton, Num, Page, Section, SelectField, Shown, TextField, TextLink, Time, toast, useAction, type Column } from '../../ui';
import { FamilyPart } from './FamilyPart';
import { aliasesOf, HISTORY, type Family, type Promotion, type Version } from './types';
import { words } from './words';

const DRAG_TYPE = 'application/x-skerry-version';
const METRICS_MAX = 30; // columns
const METRICS_SHOWN = 2;
const FAMILY_ALIASES = ['Production', 'B', 'shadow1', 'shadow2'];

interface Wish {
  kind: 'promote' | 'rollback';
  version: string;
  alias: string;
}

export default function ModelPage() {
  const t = useWords(words);
  const id = useLastPart();
  const versions = useApi('/v1/models/{id}/versions', { path: { id } }, { poll: 5000 });
  const ledger = useApi('/v1/models/{id}/promotions', { path: { id } }, { poll: 5000 });
  const serving = useApi('/v1/serving', {}, { poll: 5000 });
  const family = serving.data?.items.find((f) => f.modelId === id);
  const judged = useApi(family ? '/v1/serving/{family}/history' : null, family ? { path: { family: family.family }, query: HISTORY } : {}, { poll: 5000 });
  const kinds = useApi('/v1/trainings/kinds');
  const canJudge = kinds.data?.items.some((k) => k.suites.length > 0 && k.kind === versions.data?.[0]?.kind);
  const [wish, setWish] = useState<Wish | null>(null);
  const promotions = ledger.data?.items ?? [];
  const decision = judged.data?.decisions.map((d) => d.slots.find((s) => s.alias === 'Production')).find((s) => s && s.versionBefore !== s.versionAfter);
  return (
    <Page title={id} crumbs={[{ title: t('title'), href: '/models' }]} actions={canJudge && <LinkButton needs="POST /v1/evaluations" icon="trophy" href={`/judged/new?candidateModelId=${encodeURIComponent(id)}`}>{t('evaluate')}</LinkButton>}>
      <Shown of={versions}>
        {(all) => {
          if (all.length === 0) return <EmptyState icon="models" title={t('notFound')}>{t('noneNext')}</EmptyState>;
          const at = new Map(all.flatMap((v) => aliasesOf(v).map((alias) => [alias, v.modelVersion] as const)));
          const aliases = [...new Set([...(family ? FAMILY_ALIASES : ['prod']), ...at.keys()])];
          return (
            <>
              <Aliases aliases={aliases} at={at} promotions={promotions} decided={decision?.versionAfter} onWish={setWish} />
              <Versions versions={all} aliases={aliases} onWish={setWish} />
              {family && <FamilyPart family={family} />}
              <Ledger rows={promotions} />
              {wish && <WishDialog key={`${wish.kind} ${wish.version} ${wish.alias}`} model={id} wish={wish} aliases={aliases} at={at} family={family} onClose={() => setWish(null)} />}
            </>
          );
        }}
      </Shown>
    </Page>
  );
}

/* ---------------------------------------------------------------- aliases */

function Aliases({ aliases, at, promotions, decided, onWish }: { aliases: string[]; at: Map<string, string>; promotions: Promotion[]; decided?: number; onWish: (wish: Wish) => void }) {
  const t = useWords(words);
  const [over, setOver] = useState('');
  const denied = useDenied('POST /v1/models/promote');
  const drop = (event: DragEvent, alias: string) => {
    event.preventDefault();
    setOver('');
    const version = event.dataTransfer.getData(DRAG_TYPE);
    if (version && denied) toast.bad(denied.why);
    else if (version) onWish({ kind: 'promote', version, alias });
  };
  return (
    <Section title={t('aliases')}>
      <p className="text-muted mb-3">{denied ? denied.why : t('aliasesHint')}</p>
      <ul className="grid grid-cols-[repeat(auto-fill,minmax(11rem,1fr))] gap-3">
        {aliases.map((alias) => {
          // What the last promotion of this alias replaced. Where it was a decision about the family, all its slots go back.
          const last = promotions.find((p) => p.alias === alias);
          const isFamily = (p: Promotion) => alias === 'Production' && p.to === decided;
          const before = last && last.from > 0 && String(last.to) === at.get(alias) ? last : undefined;
          return (
            <li
              key={alias}
              data-alias={alias}
              onDragOver={(e) => {
                if (!e.dataTransfer.types.includes(DRAG_TYPE)) return;
                e.preventDefault();
                setOver(alias);
              }}
              onDragLeave={() => setOver('')}
              onDrop={(e) => drop(e, alias)}
              className={`rounded-lg border p-3 flex flex-col gap-1 min-h-24 ${over === alias ? 'border-accent tint-accent' : at.has(alias) ? 'border-edge' : 'border-dashed border-edge'}`}
            >
              <span className="text-muted break-words">{alias}</span>
              <span className="text-lg font-semibold">{at.has(alias) ? t('versionN', { n: at.get(alias)! }) : t('empty')}</span>
              {before && (
                <Button needs={isFamily(before) ? 'POST /v1/serving/{family}/rollback' : 'POST /v1/models/promote'} look="plain" icon="retry" className="mt-auto self-start" aria-label={t('rollbackTo', { alias, n: before.from })} onClick={() => onWish({ kind: isFamily(before) ? 'rollback' : 'promote', version: String(before.from), alias })}>
                  {t('rollback')}
                </Button>
              )}
            </li>
          );
        })}
      </ul>
    </Section>
  );
}

/* ---------------------------------------------------------------- versions */

function Versions({ versions, aliases, onWish }: { versions: Version[]; aliases: string[]; onWish: (wish: Wish) => void }) {
  const t = useWords(words);
  // Numbers that every version of a kind has, those that judge it first.
  const metrics = Object.entries(versions[0]?.metrics ?? {}).filter(([, v]) => typeof v === 'number').map(([name]) => name).sort((a, b) => rank(a) - rank(b)).slice(0, METRICS_MAX);
  const columns: Column<Version>[] = [
    {
      id: 'version',
      title: t('version'),
      value: (v) => Number(v.modelVersion),
      cell: (v) => (
        <span draggable title={t('drag', { n: v.modelVersion })} onDragStart={(e) => { e.dataTransfer.setData(DRAG_TYPE, v.modelVersion); e.dataTransfer.effectAllowed = 'move'; }} className="inline-flex items-center gap-2 cursor-grab font-semibold">
          <span aria-hidden className="text-muted">⠿</span>{v.modelVersion}
        </span>
      ),
      width: 100,
    },
    {
      // Beside the number, so that it is in sight on a phone, too.
      id: 'promote',
      title: t('promotion'),
      value: () => '',
      rank: 0,
      exported: false,
      cell: (v) => <Button needs="POST /v1/models/promote" aria-label={t('promoteN', { n: v.modelVersion })} onClick={() => onWish({ kind: 'promote', version: v.modelVersion, alias: aliases[0] ?? 'prod' })}>{t('promote')}</Button>,
      width: 125,
    },
    { id: 'aliases', title: t('aliases'), value: (v) => aliasesOf(v).join(', '), width: 115 },
    { id: 'created', title: t('created'), value: (v) => v.createdAt, cell: (v) => <Time at={v.createdAt} ago />, width: 110 },
    ...metrics.map((name, i): Column<Version> => ({ id: `m.${name}`, title: name, value: (v) => v.metrics?.[name], cell: (v) => <Num value={Number(v.metrics?.[name] ?? NaN)} />, width: 105, align: 'right', hidden: i >= METRICS_SHOWN })),
    { id: 'size', title: t('size'), value: (v) => v.sizeBytes, cell: (v) => <Bytes value={v.sizeBytes} />, width: 90, align: 'right' },
    { id: 'lineage', title: t('lineage'), value: (v) => v.id, cell: (v) => <TextLink href={`/lineage/${v.id}`} label={t('lineageOf', { n: v.modelVersion })}>{t('lineage')}</TextLink>, width: 90 },
    { id: 'run', title: t('run'), value: (v) => v.runId, cell: (v) => (v.runId ? <TextLink href={`/runs/${v.runId}`}>{v.runId.slice(-8)}</TextLink> : '–'), width: 100 },
  ];
  return (
    <Section title={t('versions')} card={false}>
      <DataTable name="versions" label={t('versions')} param="v" rows={versions} rowKey={(v) => v.modelVersion} columns={columns} height={400} />
    </Section>
  );
}

/* ---------------------------------------------------------------- the question before it is done */

const OTHER = '…';

function WishDialog({ model, wish, aliases, at, family, onClose }: { model: string; wish: Wish; aliases: string[]; at: Map<string, string>; family?: Family; onClose: () => void }) {
  const t = useWords(words);
  const { busy, act } = useAction();
  const [chosen, setChosen] = useState(aliases.includes(wish.alias) ? wish.alias : OTHER);
  const [other, setOther] = useState('');
  const [reason, setReason] = useState('');
  const isRollback = wish.kind === 'rollback';
  const alias = isRollback ? wish.alias : chosen === OTHER ? other.trim() : chosen;
  const isReady = alias !== '' && reason.trim() !== '';
  const doIt = async () => {
    if (!isReady) return;
    const done = isRollback
      ? await act('go', () => api('POST', '/v1/serving/{family}/rollback', { path: { family: family!.family }, body: { reason: reason.trim() } }), t('rolledBack', { alias }))
      : await act('go', () => api('POST', '/v1/models/promote', { body: { modelId: model, modelVersion: wish.version, to: alias, reason: reason.trim() } }), t('promoted', { alias, n: wish.version }));
    if (!done) return;
    invalidate('/v1/models');
    invalidate('/v1/serving');
    onClose();
  };
  return (
    <Dialog
      open
      onClose={onClose}
      title={isRollback ? t('rollbackTitle', { alias }) : t('promoteTitle', { n: wish.version, model })}
      actions={<Button look="primary" disabled={!isReady} busy={busy !== null} onClick={() => void doIt()}>{isRollback ? t('rollback') : t('promote')}</Button>}
    >
      <form className="flex flex-col gap-3" onSubmit={(event) => { event.preventDefault(); void doIt(); }}>
        {isRollback ? (
          <p>{t('rollbackFamily', { alias })}</p>
        ) : (
          <>
            <SelectField label={t('alias')} value={chosen} onChange={setChosen} options={[...aliases.map((a) => ({ value: a, label: a })), { value: OTHER, label: t('otherAlias') }]} />
            {chosen === OTHER && <TextField label={t('aliasName')} value={other} onChange={setOther} maxLength={100} />}
            {alias && <p>{at.has(alias) ? t('now', { alias, n: at.get(alias)! }) : t('nowNothing', { alias })}</p>}
            <p className="text-muted">{t('swaps')}</p>
          </>
        )}
        <TextField label={t('reason')} hint={t('reasonHint')} value={reason} onChange={setReason} required maxLength={500} />
      </form>
    </Dialog>
  );
}

/* ---------------------------------------------------------------- ledger */

function Ledger({ rows }: { rows: Promotion[] }) {
  const t = useWords(words);
  const columns: Column<Promotion>[] = [
    { id: 'at', title: t('at'), value: (p) => p.at, cell: (p) => <Time at={p.at} />, width: 190 },
    { id: 'alias', title: t('alias'), value: (p) => p.alias, width: 120 },
    { id: 'from', title: t('from'), value: (p) => p.from || null, width: 80, align: 'right' },
    { id: 'to', title: t('to'), value: (p) => p.to || null, width: 80, align: 'right' },
    { id: 'by', title: t('by'), value: (p) => p.by, width: 130 },
    { id: 'reason', title: t('reason'), value: (p) => p.reason, cell: (p) => (p.reason ? <Said title or="anything">{p.reason}</Said> : '–'), width: 300 },
  ];
  return (
    <Section title={t('ledger')} card={false}>
      <DataTable name="promotions" label={t('ledger')} param="l" rows={rows} rowKey={(p) => `${p.at} ${p.alias} ${p.from} ${p.to}`} columns={columns} height={360} empty={<EmptyState icon="models" title={t('noLedger')}>{t('noLedgerNext')}</EmptyState>} />
    </Section>
  );
}
