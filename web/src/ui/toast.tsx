/* Short news in the corner: toast.ok('Promoted'), toast.bad('...'), toast.error(error). Errors stay until they are closed. */
import type { ReactNode } from 'react';
import { Store, useStore } from '../app/store';
import { useWords } from '../i18n';
import { words } from '../i18n/words';
import { Icon } from './icons';
import { ProblemText } from './problem';

interface News {
  id: number;
  kind: 'ok' | 'bad';
  said: ReactNode | Error;
}

const SHOWN_MAX = 4;
const OK_MS = 8000;
const news = new Store<News[]>([]);
let serial = 0;

const drop = (id: number) => news.update((list) => list.filter((item) => item.id !== id));

function show(kind: News['kind'], said: News['said']) {
  const id = ++serial;
  news.update((list) => [...list.slice(1 - SHOWN_MAX), { id, kind, said }]);
  if (kind === 'ok') setTimeout(() => drop(id), OK_MS);
}

export const toast = {
  ok: (text: string) => show('ok', text),
  bad: (text: ReactNode) => show('bad', text),
  error: (error: unknown) => show('bad', error instanceof Error ? error : String(error)),
};

export function Toasts() {
  const list = useStore(news);
  const t = useWords(words);
  return (
    <div aria-live="polite" role="status" className="fixed bottom-4 right-4 left-4 sm:left-auto z-50 flex flex-col gap-2 sm:max-w-96 pointer-events-none">
      {list.map((item) => (
        <div key={item.id} className="card flex items-start gap-2 p-3 shadow-lg pointer-events-auto">
          <Icon name={item.kind === 'ok' ? 'check' : 'alert'} className={`mt-0.5 shrink-0 ${item.kind === 'ok' ? 'text-good' : 'text-bad'}`} />
          <p className="grow min-w-0 break-words">{item.said instanceof Error ? <ProblemText error={item.said} /> : item.said}</p>
          <button type="button" aria-label={t('close')} className="text-muted hover:text-text" onClick={() => drop(item.id)}>
            <Icon name="close" />
          </button>
        </div>
      ))}
    </div>
  );
}
