/* The newest lines that the log has of a run. The log's own page has the rest. */
import { useApi } from '../../api/useApi';
import type { RunDetail } from '../../api/types';
import { useWords } from '../../i18n';
import { EmptyState, LinkButton, Shown, Status, Time } from '../../ui';
import { words } from './words';

const LINES = 200;

export function RunLog({ run, isOver }: { run: RunDetail; isOver: boolean }) {
  const t = useWords(words);
  const since = run.startedAt ?? undefined;
  const lines = useApi('/v1/logs', { query: { run_id: run.runId, since, range: since ? undefined : '30d', level: 'debug', limit: LINES } }, { poll: isOver ? 0 : 2000 });
  return (
    <Shown of={lines}>
      {({ items }) =>
        items.length === 0 ? (
          <EmptyState icon="logs" title={t('noLines')}>{t('noLinesNext')}</EmptyState>
        ) : (
          <>
            <ol aria-label={t('log')} className="card divide-y divide-line font-mono text-[0.86rem] max-h-[40rem] overflow-auto" tabIndex={0}>
              {items.map((line, i) => (
                <li key={`${line.ts} ${i}`} className="px-3 py-1.5 flex flex-wrap gap-x-3">
                  <Time at={line.ts} />
                  {line.level !== 'info' && <Status state={line.level} />}
                  <span className="text-muted">{line.event}</span>
                  <span className="break-words min-w-0">{line.msg}</span>
                </li>
              ))}
            </ol>
            <div className="mt-3"><LinkButton icon="logs" href={`/logs?run=${run.runId}&range=30d&level=debug`}>{t('allLines')}</LinkButton></div>
          </>
        )
      }
    </Shown>
  );
}
