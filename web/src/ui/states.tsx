/* What stands where data would: EmptyState, ErrorState, Loading, and Shown, which picks one of them. */
import { Component, type ErrorInfo, type ReactNode } from 'react';
import { ApiError } from '../api/client';
import type { Asked } from '../api/useApi';
import { useWords } from '../i18n';
import { words } from '../i18n/words';
import { Button, CopyButton, Spinner } from './buttons';
import { Icon, type IconName } from './icons';
import { useKindOfProblem } from './problem';

/** Nothing yet; `children` say what to do next, `action` does it. */
export function EmptyState({ icon = 'info', title, children, action }: { icon?: IconName; title: string; children?: ReactNode; action?: ReactNode }) {
  return (
    <div className="flex flex-col items-center text-center gap-2 px-4 py-8 text-muted">
      <Icon name={icon} size={28} />
      <p className="font-semibold text-text">{title}</p>
      {children && <div className="max-w-[60ch]">{children}</div>}
      {action && <div className="mt-1">{action}</div>}
    </div>
  );
}

/** What happened, what to do, and the request id for the log. */
export function ErrorState({ error, retry }: { error: Error; retry?: () => void }) {
  const t = useWords(words);
  const told = error instanceof ApiError ? error : null;
  const kind = useKindOfProblem()(error);
  const advice =
    told === null ? null
    : told.status === 0 ? t('errorUnreachable')
    : told.status === 403 ? t('errorDenied')
    : told.status === 503 || told.status === 429 ? t('errorBusy')
    : told.status >= 500 ? t('errorServer')
    : null;
  return (
    <div role="alert" className="card border-bad p-4 flex gap-3">
      <Icon name="alert" size={20} className="text-bad shrink-0 mt-0.5" />
      <div className="min-w-0 grow">
        <p className="font-semibold">{kind ?? t('errorTitle')}</p>
        {told?.status !== 0 && <p lang="en" className="break-words">{error.message}</p>}
        {advice && <p className="text-muted">{advice}</p>}
        <div className="flex flex-wrap items-center gap-2 mt-2">
          {retry && <Button icon="retry" onClick={retry}>{t('retry')}</Button>}
          {told?.requestId && (
            <>
              <span className="text-muted">{t('requestId')}: <code>{told.requestId}</code></span>
              <CopyButton text={told.requestId} />
            </>
          )}
        </div>
      </div>
    </div>
  );
}

export function Loading() {
  const t = useWords(words);
  return <div className="p-4"><Spinner label={t('loading')} /></div>;
}

/** The answer of useApi, or what stands in its place: `<Shown of={runs}>{(data) => ...}</Shown>` */
export function Shown<T>({ of, children }: { of: Asked<T>; children: (data: T) => ReactNode }) {
  if (of.data !== undefined) return <>{children(of.data)}</>;
  if (of.error) return <ErrorState error={of.error} retry={of.refetch} />;
  return <Loading />;
}

/** Keeps a fault in one page from taking the whole UI along. */
export class Boundary extends Component<{ children: ReactNode; shown: (error: Error) => ReactNode; place: string }, { error: Error | null; place: string }> {
  state = { error: null as Error | null, place: this.props.place };
  static getDerivedStateFromError(error: Error) {
    return { error };
  }
  static getDerivedStateFromProps(props: { place: string }, state: { place: string }) {
    return props.place === state.place ? null : { error: null, place: props.place };
  }
  componentDidCatch(error: Error, info: ErrorInfo) {
    console.error(error, info.componentStack);
  }
  render() {
    return this.state.error ? this.props.shown(this.state.error) : this.props.children;
  }
}
