/* The frame of a form that starts work: its parts, what was refused as a whole, and the button. */
import type { ReactNode } from 'react';
import type { Needs } from '../api/access';
import { useWords } from '../i18n';
import { Button, Icon, type IconName } from '../ui';
import { words } from './words';

export function StartForm({ needs, children, refused, busy, action, icon, onStart }: { needs: Needs; children: ReactNode; refused: string; busy: boolean; action: string; icon: IconName; onStart: () => void }) {
  const t = useWords(words);
  return (
    <form noValidate className="flex flex-col gap-5" onSubmit={(event) => { event.preventDefault(); onStart(); }}>
      {children}
      {refused && (
        <p role="alert" className="card border-bad p-3 flex gap-2">
          <Icon name="alert" className="text-bad shrink-0 mt-0.5" />
          <span className="min-w-0 break-words">{t('refused')}: <span lang="en">{refused}</span></span>
        </p>
      )}
      <div><Button needs={needs} type="submit" look="primary" icon={icon} busy={busy}>{action}</Button></div>
    </form>
  );
}
