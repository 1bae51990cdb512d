/* Where log lines, spans and events leave to; what waits there, and what a destination refused: dead letters. */
import { api } from '../../api/client';
import { invalidate, useApi } from '../../api/useApi';
import { useParam } from '../../app/params';
import { useWords } from '../../i18n';
import { Button, Bytes, confirm, DataTable, EmptyState, Facts, Num, Section, Shown, Status, Time, useAction, type Column } from '../../ui';
import type { Destination, Letter } from './types';
import { words } from './words';

export function Outbox() {
  const t = useWords(words);
  const outbox = useApi('/v1/outbox', {}, { poll: 3000 });
  const [open, setOpen] = useParam('dest');
  return (
    <>
      <p className="text-muted mb-3">{t('outboxHint')}</p>
      <Shown of={outbox}>
        {({ items }) => {
          const shown = items.find((d) => d.destination === open) ?? items.find((d) => d.dead > 0);
          return items.length === 0 ? (
            <EmptyState icon="external" title={t('noDestinations')}>{t('noDestinationsNext')}</EmptyState>
          ) : (
            <div className="flex flex-col gap-5">
              <div className="grid gap-4 lg:grid-cols-2">{items.map((d) => <OneDestination key={d.destination} destination={d} onShow={() => setOpen(d.destination)} />)}</div>
              {shown && <Letters key={shown.destination} destination={shown} onChange={() => setOpen(shown.destination)} />}
            </div>
          );
        }}
      </Shown>
    </>
  );
}

function OneDestination({ destination: d, onShow }: { destination: Destination; onShow: () => void }) {
  const t = useWords(words);
  const isUp = d.breaker === 'closed';
  return (
    <Section title={d.destination} actions={<span className="flex items-center gap-2"><Status state={isUp ? 'up' : 'down'} label={isUp ? t('reachable') : t('unreachable')} />{d.dead > 0 && <Button onClick={onShow}>{t('showDead', { n: d.dead })}</Button>}</span>}>
      <Facts
        of={[
          [t('takesWhat'), t(d.takes === 'lines' || d.takes === 'spans' ? d.takes : 'events')],
          [t('sent'), <span key="s"><Num value={d.sent} />{d.lastSentAt && <> · <Time at={d.lastSentAt} ago /></>}</span>],
          [t('waits'), <span key="w"><Num value={d.waiting} /> (<Bytes value={d.waitingBytes} />){d.oldestAt && <> · {t('oldest')} <Time at={d.oldestAt} ago /></>}</span>],
          [t('dead'), <Num key="d" value={d.dead} />],
          [t('lost'), <Num key="l" value={d.lost} />],
        ]}
      />
      {d.error && <p className="mt-2 text-bad break-words"><span lang="en">{d.error}</span>{d.lastFailedAt && <> (<Time at={d.lastFailedAt} ago />)</>}</p>}
    </Section>
  );
}

/** `onChange`: it was dealt with, and stays in sight although none may be left. */
function Letters({ destination: d, onChange }: { destination: Destination; onChange: () => void }) {
  const t = useWords(words);
  const name = d.destination;
  const { busy, act } = useAction();
  const letters = useApi('/v1/outbox/{destination}/dead', { path: { destination: name }, query: { limit: 1000 } }, { poll: 5000 });
  const bodyOf = (l: Letter) => JSON.stringify(l.data ?? l.line);
  const columns: Column<Letter>[] = [
    { id: 'refused', title: t('refusedAt'), value: (l) => l.refusedAt, cell: (l) => <Time at={l.refusedAt} ago />, width: 130 },
    { id: 'why', title: t('why'), value: (l) => l.why, cell: (l) => <span lang="en" title={l.why} className="text-bad">{l.why}</span>, width: 320 },
    { id: 'type', title: t('type'), value: (l) => l.type ?? '', width: 170, hidden: d.takes !== 'events' },
    { id: 'at', title: t('of'), value: (l) => l.at, cell: (l) => <Time at={l.at} />, width: 170 },
    { id: 'body', title: t('content'), value: bodyOf, cell: (l) => <code title={bodyOf(l)}>{bodyOf(l)}</code> },
  ];
  const done = () => {
    onChange();
    invalidate('/v1/outbox');
    letters.refetch();
  };
  const replay = () => act('replay', () => api('POST', '/v1/outbox/{destination}/replay', { path: { destination: name } }), t('replayed', { name })).then(done);
  const drop = async () => {
    if (!(await confirm({ title: t('dropTitle', { name }), text: t('dropText'), action: t('drop'), danger: true }))) return;
    await act('drop', () => api('DELETE', '/v1/outbox/{destination}/dead', { path: { destination: name } }), t('dropped', { name }));
    done();
  };
  return (
    <Section card={false} title={t('deadOf', { name })}>
      <Shown of={letters}>
        {({ items }) => (
          <DataTable
            name={`dead.${d.takes}`}
            label={t('deadOf', { name })}
            param="d"
            rows={items}
            rowKey={(l) => String(l.id)}
            columns={columns}
            empty={<EmptyState icon="check" title={t('noDead')} />}
            actions={
              <>
                <Button needs="POST /v1/outbox/{destination}/replay" icon="retry" busy={busy === 'replay'} disabled={busy !== null} onClick={() => void replay()}>{t('replayAll')}</Button>
                <Button needs="DELETE /v1/outbox/{destination}/dead" look="danger" icon="trash" busy={busy === 'drop'} disabled={busy !== null} onClick={() => void drop()}>{t('drop')}</Button>
              </>
            }
          />
        )}
      </Shown>
    </Section>
  );
}
