/* Dialogs, on the browser's own <dialog>: it keeps the focus inside, closes with Escape and gives the focus back.
 *
 *   if (await confirm({ title: t('delete'), text: name, action: t('delete'), danger: true })) ...
 */
import { useEffect, useId, useRef, type ReactNode } from 'react';
import { Store, useStore } from '../app/store';
import { useWords } from '../i18n';
import { words } from '../i18n/words';
import { Button, IconButton } from './buttons';

export function Dialog({ open, onClose, title, children, actions, wide = false }: { open: boolean; onClose: () => void; title: string; children: ReactNode; actions?: ReactNode; wide?: boolean }) {
  const t = useWords(words);
  const ref = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const dialog = ref.current;
    if (!dialog) return;
    if (open && !dialog.open) dialog.showModal();
    if (!open && dialog.open) dialog.close();
  }, [open]);
  return (
    <dialog
      ref={ref}
      aria-labelledby={id}
      onClose={onClose}
      onClick={(event) => event.target === ref.current && onClose()}
      className={`m-auto p-0 card text-text shadow-2xl w-[calc(100vw-2rem)] ${wide ? 'max-w-3xl' : 'max-w-lg'} max-h-[calc(100dvh-2rem)]`}
    >
      {open && (
        <div className="p-4 flex flex-col gap-3">
          <div className="flex items-start justify-between gap-3">
            <h2 id={id} className="text-lg font-semibold">{title}</h2>
            <IconButton icon="close" label={t('close')} onClick={onClose} />
          </div>
          <div>{children}</div>
          {actions && <div className="flex flex-wrap justify-end gap-2">{actions}</div>}
        </div>
      )}
    </dialog>
  );
}

interface Question {
  title: string;
  text: ReactNode;
  action: string;
  danger?: boolean;
  answer: (yes: boolean) => void;
}

const question = new Store<Question | null>(null);

/** Asks before something that cannot be undone easily. */
export function confirm(ask: Omit<Question, 'answer'>): Promise<boolean> {
  return new Promise((answer) => {
    question.get()?.answer(false);
    question.set({ ...ask, answer });
  });
}

export function ConfirmDialog() {
  const t = useWords(words);
  const asked = useStore(question);
  const end = (yes: boolean) => {
    question.set(null);
    asked?.answer(yes);
  };
  return (
    <Dialog
      open={asked !== null}
      onClose={() => end(false)}
      title={asked?.title ?? ''}
      actions={
        <>
          <Button onClick={() => end(false)}>{t('cancel')}</Button>
          <Button look={asked?.danger ? 'danger' : 'primary'} onClick={() => end(true)}>{asked?.action}</Button>
        </>
      }
    >
      {asked?.text}
    </Dialog>
  );
}
