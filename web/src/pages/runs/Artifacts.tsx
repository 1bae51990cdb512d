/* What a run left: a list, a look into what can be looked into, and the file itself. */
import { useEffect, useState } from 'react';
import { request } from '../../api/client';
import type { Artifact } from '../../api/types';
import { useApi } from '../../api/useApi';
import { useParam } from '../../app/params';
import { useLang, useWords } from '../../i18n';
import { Button, Bytes, DataTable, download, EmptyState, ErrorState, formatBytes, Icon, Loading, Shown, Time, toast, type Column } from '../../ui';
import { words } from './words';

type Kind = 'text' | 'json' | 'csv' | 'image' | 'none';

const TEXT_MAX = 256 * 1024;
const IMAGE_MAX = 20 * 1024 * 1024;
const CSV_ROWS = 200;
const images: Record<string, string> = { png: 'image/png', jpg: 'image/jpeg', jpeg: 'image/jpeg', gif: 'image/gif', webp: 'image/webp', svg: 'image/svg+xml' };
const texts = ['txt', 'md', 'log', 'pgn', 'yaml', 'yml', 'ndjson', 'jsonl', 'py', 'c', 'h', 'toml', 'ini', 'cfg', 'html', 'xml', 'sh', 'sql'];

function kindOf(path: string): Kind {
  const name = path.slice(path.lastIndexOf('/') + 1);
  const ending = name.includes('.') ? name.slice(name.lastIndexOf('.') + 1).toLowerCase() : '';
  if (ending in images) return 'image';
  if (ending === 'json') return 'json';
  if (ending === 'csv' || ending === 'tsv') return 'csv';
  return texts.includes(ending) || ['MLmodel', 'conda.yaml', 'README', 'LICENSE'].includes(name) ? 'text' : 'none';
}

const addressOf = (runId: string, path: string) => `/get-artifact?${new URLSearchParams({ run_id: runId, path })}`;

export function Artifacts({ runId, isOver }: { runId: string; isOver: boolean }) {
  const t = useWords(words);
  const list = useApi('/v1/runs/{runId}/artifacts', { path: { runId } }, { poll: isOver ? 0 : 4000 });
  const [path, setPath] = useParam('file');
  return (
    <Shown of={list}>
      {({ items }) => {
        if (items.length === 0) return <EmptyState icon="download" title={t('noArtifacts')}>{t('noArtifactsNext')}</EmptyState>;
        const chosen = items.find((a) => a.path === path) ?? items.find((a) => kindOf(a.path) !== 'none') ?? items[0]!;
        return (
          <div className="grid gap-4 lg:grid-cols-[minmax(16rem,1fr)_2fr] items-start">
            <ul aria-label={t('artifacts')} className="card p-1 max-h-[40rem] overflow-auto">
              {items.map((a) => (
                <li key={a.path}>
                  <button type="button" aria-current={a === chosen || undefined} onClick={() => setPath(a.path)} className={`w-full flex items-center gap-2 px-2 min-h-8 rounded-md text-left ${a === chosen ? 'bg-raised font-semibold' : 'text-muted hover:bg-raised hover:text-text'}`}>
                    <span className="grow min-w-0 break-all">{a.path}</span>
                    <Bytes value={a.sizeBytes} />
                  </button>
                </li>
              ))}
            </ul>
            <Preview key={`${runId} ${chosen.path} ${chosen.digest}`} runId={runId} artifact={chosen} />
          </div>
        );
      }}
    </Shown>
  );
}

interface Content {
  text?: string;
  image?: string;
  isCut?: boolean;
}

async function contentOf(runId: string, artifact: Artifact, kind: Kind, signal: AbortSignal): Promise<Content> {
  const url = addressOf(runId, artifact.path);
  if (kind === 'image') {
    const ending = artifact.path.slice(artifact.path.lastIndexOf('.') + 1).toLowerCase();
    const bytes = await (await request(url, { signal })).arrayBuffer();
    return { image: URL.createObjectURL(new Blob([bytes], { type: images[ending] })) };
  }
  const isCut = artifact.sizeBytes > TEXT_MAX;
  const reply = await request(url, { signal, headers: isCut ? { Range: `bytes=0-${TEXT_MAX - 1}` } : {} });
  return { text: await reply.text(), isCut };
}

function Preview({ runId, artifact }: { runId: string; artifact: Artifact }) {
  const t = useWords(words);
  const kind = artifact.sizeBytes > IMAGE_MAX && kindOf(artifact.path) === 'image' ? 'none' : kindOf(artifact.path);
  const [content, setContent] = useState<Content | null>(null);
  const [error, setError] = useState<Error | null>(null);
  const [saving, setSaving] = useState(false);
  useEffect(() => {
    if (kind === 'none') return;
    const controller = new AbortController();
    let url = '';
    contentOf(runId, artifact, kind, controller.signal)
      .then((next) => {
        url = next.image ?? '';
        if (controller.signal.aborted && url) URL.revokeObjectURL(url);
        else setContent(next);
      })
      .catch((e: Error) => !controller.signal.aborted && setError(e));
    return () => {
      controller.abort();
      if (url) URL.revokeObjectURL(url);
    };
  }, [runId, artifact, kind]);
  const save = async () => {
    setSaving(true);
    try {
      const name = artifact.path.slice(artifact.path.lastIndexOf('/') + 1);
      download(name, 'application/octet-stream', await (await request(addressOf(runId, artifact.path))).arrayBuffer());
    } catch (e) {
      toast.error(e);
    } finally {
      setSaving(false);
    }
  };
  return (
    <section aria-label={artifact.path} className="card p-4 min-w-0">
      <div className="flex flex-wrap items-center gap-x-3 gap-y-1 mb-3">
        <h2 className="font-semibold break-all grow">{artifact.path}</h2>
        <span className="text-muted"><Bytes value={artifact.sizeBytes} /> · <Time at={artifact.createdAt} ago /></span>
        <Button icon="download" busy={saving} onClick={() => void save()}>{t('download')}</Button>
      </div>
      {kind === 'none' ? (
        <p className="text-muted flex items-center gap-2"><Icon name="info" className="shrink-0" />{t('noPreview')}</p>
      ) : error ? (
        <ErrorState error={error} />
      ) : content === null ? (
        <Loading />
      ) : (
        <Look kind={kind} content={content} name={artifact.path} />
      )}
    </section>
  );
}

function Look({ kind, content, name }: { kind: Kind; content: Content; name: string }) {
  const { lang } = useLang();
  const t = useWords(words);
  if (content.image) return <img src={content.image} alt={name} className="max-w-full max-h-[36rem] mx-auto" />;
  const text = content.text ?? '';
  return (
    <>
      {content.isCut && <p className="text-muted mb-2">{t('cut', { size: formatBytes(TEXT_MAX, lang) })}</p>}
      {kind === 'csv' ? <CsvTable text={text} separator={name.endsWith('.tsv') ? '\t' : ','} /> : <pre tabIndex={0} className="font-mono text-[0.86rem] whitespace-pre-wrap break-words max-h-[36rem] overflow-auto">{kind === 'json' && !content.isCut ? pretty(text) : text}</pre>}
    </>
  );
}

function pretty(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

/** RFC 4180: quoted cells may hold separators, quotes and line ends. */
export function csvRows(text: string, separator: string, max: number): string[][] {
  const rows: string[][] = [];
  let row: string[] = [];
  let cell = '';
  let isQuoted = false;
  for (let i = 0; i < text.length && rows.length < max; i++) {
    const c = text[i]!;
    if (isQuoted) {
      if (c !== '"') cell += c;
      else if (text[i + 1] === '"') cell += text[++i];
      else isQuoted = false;
    } else if (c === '"' && cell === '') isQuoted = true;
    else if (c === separator) {
      row.push(cell);
      cell = '';
    } else if (c === '\n') {
      row.push(cell.replace(/\r$/, ''));
      rows.push(row);
      row = [];
      cell = '';
    } else cell += c;
  }
  if (rows.length < max && (cell !== '' || row.length > 0)) rows.push([...row, cell]);
  return rows;
}

function CsvTable({ text, separator }: { text: string; separator: string }) {
  const t = useWords(words);
  const { lang } = useLang();
  const [head = [], ...rows] = csvRows(text, separator, CSV_ROWS + 1);
  const isNumber = (cell: string | undefined) => cell !== undefined && cell !== '' && Number.isFinite(Number(cell));
  const columns: Column<{ cells: string[]; no: number }>[] = head.map((title, i) => {
    const isOfNumbers = rows.length > 0 && rows.every((row) => row[i] === '' || isNumber(row[i]));
    return { id: String(i), title, value: ({ cells }) => (isOfNumbers && cells[i] ? Number(cells[i]) : cells[i]), cell: ({ cells }) => cells[i], width: 120, align: isOfNumbers ? 'right' : undefined };
  });
  return (
    <>
      <DataTable name={`preview.${head.join('.').slice(0, 60)}`} label={t('preview')} simple param="c" height={576} rows={rows.map((cells, no) => ({ cells, no }))} rowKey={(row) => String(row.no)} columns={columns} />
      {rows.length === CSV_ROWS && <p className="text-muted mt-2">{t('firstRows', { n: CSV_ROWS.toLocaleString(lang) })}</p>}
    </>
  );
}
