/* Cleaning up, as a server does it every night: first what would go, in full and with the bytes, then, if it is wanted, for real. */
import { useState } from 'react';
import { api } from '../../api/client';
import { useApi } from '../../api/useApi';
import { jobOver, useJob } from '../../api/useJob';
import { useLang, useWords } from '../../i18n';
import { Button, Bytes, confirm, DataTable, Facts, Failure, formatBytes, Num, Progress, Section, Shown, Status, TextField, TextLink, Time, useAction, type Column } from '../../ui';
import type { GcNumbers, GcPlan } from './types';
import { words } from './words';

interface Asked {
  jobId: string;
  runId: string;
  isDry: boolean;
  age: string;
}

export function Maintenance() {
  const { lang } = useLang();
  const t = useWords(words);
  const { busy, act } = useAction();
  const [age, setAge] = useState('');
  const [asked, setAsked] = useState<Asked | null>(null);
  const job = useJob(asked?.jobId ?? null);
  const isGoing = asked !== null && (job === null || !jobOver(job.status));
  const numbers = job?.status === 'succeeded' ? (job.result as GcNumbers) : null;
  // What was planned for another age is no plan for this one.
  const plan = asked?.isDry && asked.age === age.trim() ? numbers : null;
  const begin = (isDry: boolean) =>
    act('gc', async () => {
      const olderThan = age.trim();
      const made = await api('POST', '/v1/maintenance/gc', { body: { dryRun: isDry, ...(olderThan ? { olderThan } : {}) } });
      setAsked({ ...made, isDry, age: olderThan });
    });
  const doIt = async () => {
    if (!plan) return;
    const freed = plan.bytesFreed === null ? t('unknownBytes') : formatBytes(plan.bytesFreed, lang);
    if (await confirm({ title: t('gcTitle'), text: t('gcText', { runs: plan.runsPurged, blobs: plan.blobsRemoved, bytes: freed }), action: t('gcDo'), danger: true })) await begin(false);
  };
  return (
    <div className="flex flex-col gap-5">
      <Section title={t('gc')}>
        <p className="text-muted max-w-[90ch] mb-3">{t('gcHint')}</p>
        <form className="flex flex-wrap items-start gap-3" onSubmit={(event) => { event.preventDefault(); void begin(true); }}>
          <div className="w-full max-w-80"><TextField label={t('olderThan')} hint={t('olderThanHint')} placeholder="30d" value={age} onChange={setAge} /></div>
          <div className="flex flex-wrap gap-2 sm:pt-6">
            <Button type="submit" icon="search" busy={busy !== null || isGoing}>{t('gcDry')}</Button>
            <Button look="danger" icon="trash" disabled={!plan || isGoing} title={plan ? undefined : t('gcFirst')} onClick={() => void doIt()}>{t('gcDo')}</Button>
          </div>
        </form>
        {asked && (
          <div className="mt-4 flex flex-col gap-3" data-gc={isGoing ? 'going' : asked.isDry ? 'plan' : 'done'}>
            {isGoing && <Progress done={job?.done ?? 0} total={job?.total ?? 0} etaSec={job?.etaSec} label={t('gc')} />}
            {job && jobOver(job.status) && !numbers && <div className="flex flex-col items-start gap-1"><Status state={job.status} /><Failure of={job} /></div>}
            {numbers && <Numbers of={numbers} />}
            {numbers && <Things key={asked.jobId} runId={asked.runId} isDry={asked.isDry} />}
          </div>
        )}
      </Section>
      <LastOnes />
    </div>
  );
}

function Numbers({ of: n }: { of: GcNumbers }) {
  const t = useWords(words);
  const would = n.dryRun;
  return (
    <div role="status">
      <h3 className="font-semibold mb-2">{would ? t('wouldGo') : t('went')}</h3>
      <Facts
        of={[
          [would ? t('wouldFree') : t('freed'), n.bytesFreed === null ? t('unknownBytes') : <Bytes key="f" value={n.bytesFreed} />],
          [t('blobs'), <Num key="b" value={n.blobsRemoved} />],
          [t('runsTrashed'), <Num key="t" value={n.runsIntoTrash} />],
          [t('runsPurged'), <Num key="r" value={n.runsPurged} />],
          [t('modelsPurged'), <Num key="m" value={n.loggedModelsPurged} />],
          [t('experimentsPurged'), <Num key="e" value={n.experimentsPurged} />],
          [t('tracesRemoved'), <Num key="x" value={n.tracesRemoved} />],
          [t('needed'), <Num key="k" value={n.keptBecauseNeeded} />],
          [t('tooYoung'), <Bytes key="y" value={n.bytesTooYoung} />],
        ]}
      />
    </div>
  );
}

/** The things one by one, from the artifact that the run left. */
function Things({ runId, isDry }: { runId: string; isDry: boolean }) {
  const t = useWords(words);
  const file = isDry ? 'plan.json' : 'report.json';
  const plan = useApi('/v1/runs/{runId}/artifacts/{path}', { path: { runId, path: file } });
  const items = (plan.data as GcPlan | undefined)?.items ?? [];
  const deedOf = (deed: string) => (`do_${deed}` in words.en ? t(`do_${deed}` as keyof typeof words.en) : deed);
  const columns: Column<{ do: string; id: string }>[] = [
    { id: 'do', title: t('gcWhat'), value: (i) => deedOf(i.do), width: 240 },
    { id: 'id', title: t('id'), value: (i) => i.id, cell: (i) => (i.do.endsWith('_run') ? <TextLink href={`/runs/${i.id}`}><code>{i.id}</code></TextLink> : <code>{i.id}</code>) },
  ];
  return (
    <>
      <p><TextLink href={`/runs/${runId}?tab=artifacts`}>{t('wholeReport', { file })}</TextLink></p>
      {items.length > 0 && <DataTable name="gc" label={t('wouldGo')} param="g" height={320} rows={items} rowKey={(i) => `${i.do} ${i.id}`} columns={columns} />}
    </>
  );
}

function LastOnes() {
  const { lang } = useLang();
  const t = useWords(words);
  const jobs = useApi('/v1/jobs', { query: { kind: 'core.gc', limit: 5 } }, { poll: 5000 });
  return (
    <Section title={t('lastGcs')}>
      <Shown of={jobs}>
        {({ items }) =>
          items.length === 0 ? (
            <p className="text-muted">{t('noGc')}</p>
          ) : (
            <ul className="flex flex-col gap-1.5">
              {items.map((job) => {
                const said = job.result as GcNumbers | null;
                return (
                  <li key={job.id} className="flex flex-wrap items-center gap-x-3 gap-y-1">
                    <Status state={job.status} />
                    <Time at={job.createdAt} ago />
                    <span>{said ? (said.dryRun ? t('onlyLooked') : said.bytesFreed === null ? t('went') : t('freedBytes', { bytes: formatBytes(said.bytesFreed, lang) })) : ''}</span>
                    <TextLink href={`/jobs/${job.id}`} label={t('jobOf', { id: job.id.slice(-6) })}>{t('job')}</TextLink>
                  </li>
                );
              })}
            </ul>
          )
        }
      </Shown>
    </Section>
  );
}
