/* Import by drop: the upload, then the job's own events until it is done, then its counts. */
import { useRef, useState, type DragEvent, type ReactNode } from 'react';
import { useDenied } from '../../api/access';
import { api } from '../../api/client';
import { invalidate } from '../../api/useApi';
import { useJob } from '../../api/useJob';
import { useWords } from '../../i18n';
import { Button, FailureText, Icon, ProblemText, Progress, toast } from '../../ui';
import './types';
import { words } from './words';

interface Upload {
  name: string;
  runId: string;
  jobId: string;
}

function Running({ upload, onEnd }: { upload: Upload; onEnd: (said: ReactNode) => void }) {
  const t = useWords(words);
  const job = useJob(upload.jobId, {
    onEnd: (told) => {
      api('GET', '/v1/ingest/{runId}', { path: { runId: upload.runId } }).then(
        (done) => onEnd(told.status === 'succeeded' ? t('imported', { name: upload.name, games: done.games, duplicates: done.duplicates, refused: done.refused }) : <>{upload.name}: <FailureText of={told.error ? told : { error: done.message }} /></>),
        (error: Error) => onEnd(<>{upload.name}: <ProblemText error={error} /></>),
      );
    },
  });
  return <Progress done={job?.done ?? 0} total={job?.total ?? 0} etaSec={job?.etaSec} label={t('importing', { name: upload.name })} />;
}

export function Import() {
  const t = useWords(words);
  const input = useRef<HTMLInputElement>(null);
  const [upload, setUpload] = useState<Upload | null>(null);
  const [sending, setSending] = useState(false);
  const [said, setSaid] = useState<ReactNode>('');
  const [isOver, setOver] = useState(false);
  const begin = async (name: string, work: () => Promise<{ runId: string; jobId: string }>) => {
    setSending(true);
    setSaid('');
    try {
      const { runId, jobId } = await work();
      setUpload({ name, runId, jobId });
    } catch (error) {
      toast.error(error);
    } finally {
      setSending(false);
    }
  };
  const denied = useDenied('POST /v1/ingest');
  const send = (file: File | undefined) => {
    if (!file) return;
    if (denied) return toast.bad(denied.why);
    const form = new FormData();
    form.append('file', file);
    void begin(file.name, () => api('POST', '/v1/ingest', { body: form }));
  };
  const onDrop = (event: DragEvent) => {
    event.preventDefault();
    setOver(false);
    send(event.dataTransfer.files[0]);
  };
  const end = (text: ReactNode) => {
    setUpload(null);
    setSaid(text);
    invalidate('/v1/games');
  };
  const busy = sending || upload !== null;
  return (
    <div data-drop onDragOver={(e) => { e.preventDefault(); setOver(true); }} onDragLeave={() => setOver(false)} onDrop={onDrop} className={`rounded-lg border-2 border-dashed p-4 flex flex-col gap-2 ${isOver ? 'border-accent tint-accent' : 'border-line'}`}>
      <div className="flex flex-wrap items-center gap-x-4 gap-y-2">
        <Icon name="upload" size={22} className="text-muted" />
        <div className="grow min-w-0">
          <p className="font-medium">{t('drop')}</p>
          <p className="text-muted text-[0.86rem]">{t('dropHint')}</p>
        </div>
        <input ref={input} type="file" accept=".pgn,.zst,.gz,.zip" hidden onChange={(e) => { send(e.target.files?.[0]); e.target.value = ''; }} />
        <Button needs="POST /v1/ingest" busy={busy} onClick={() => input.current?.click()}>{t('choose')}</Button>
        <Button needs="POST /v1/games/demo" look="quiet" disabled={busy} className="whitespace-normal! min-w-0 text-left" onClick={() => void begin('demo', () => api('POST', '/v1/games/demo'))}>{t('demo')}</Button>
      </div>
      {upload && <Running key={upload.jobId} upload={upload} onEnd={end} />}
      <p role="status" className="break-words">{said}</p>
    </div>
  );
}
