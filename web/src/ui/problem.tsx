/* What went wrong, in the reader's language: the kind of it, which the server says by a short name, and what to do. What exactly, it
 * says in English, and that stands beside it as it came. */
import type { ReactNode } from 'react';
import { ApiError } from '../api/client';
import { useLang, useWords } from '../i18n';
import { words } from '../i18n/words';

type Key = Extract<keyof (typeof words)['en'], `problem_${string}`>;
type Advice = Extract<keyof (typeof words)['en'], `advice_${string}`>;

// Where another protocol has names of its own, the status says nearly as much.
const byStatus: Record<number, Key> = {
  0: 'problem_unreachable',
  400: 'problem_invalid',
  401: 'problem_unauthenticated',
  403: 'problem_denied',
  404: 'problem_not_found',
  409: 'problem_conflict',
  413: 'problem_too_big',
  429: 'problem_rate_limited',
  500: 'problem_internal',
  501: 'problem_unsupported',
  502: 'problem_upstream',
  503: 'problem_busy',
  504: 'problem_timeout',
  507: 'problem_no_space',
};

export function useKindOfProblem() {
  const t = useWords(words);
  return (error: Error): string | null => {
    if (!(error instanceof ApiError)) return null;
    const named = `problem_${error.code}`;
    const key = named in words.en ? (named as Key) : byStatus[error.status];
    return key ? t(key) : null;
  };
}

/** A line for a place with little room: English readers get the whole from the server's own words. */
export function ProblemText({ error }: { error: Error }) {
  const { lang } = useLang();
  const kind = useKindOfProblem()(error);
  if (error instanceof ApiError && error.status === 0) return <>{kind}</>;
  if (lang === 'en' || kind === null) return <span lang="en">{error.message}</span>;
  return <>{kind}: <span lang="en">{error.message}</span></>;
}

/* ---------------------------------------------------------------- work that failed */

interface Failed {
  error?: string | null; // the server's sentence
  errorCode?: string | null; // its kind, where that is known
}

function useFailure(code: string | null | undefined) {
  const t = useWords(words);
  const [problem, advice] = [`problem_${code}`, `advice_${code}`];
  return { kind: problem in words.en ? t(problem as Key) : t('failed'), advice: advice in words.en ? t(advice as Advice) : null };
}

/** Why work failed, in a line; in a language that the server does not speak, what kind of failure it is comes first. */
export function FailureText({ of }: { of: Failed }) {
  const { lang } = useLang();
  const { kind } = useFailure(of.errorCode);
  if (!of.error) return null;
  return lang === 'en' ? <>{of.error}</> : <>{kind}: <span lang="en">{of.error}</span></>;
}

/** The same with room: what kind of failure, what exactly, and what to do. */
export function Failure({ of, className = '', children }: { of: Failed; className?: string; children?: ReactNode }) {
  const { kind, advice } = useFailure(of.errorCode);
  if (!of.error) return null;
  return (
    <div role="alert" className={`min-w-0 break-words ${className}`}>
      <p className="font-semibold text-bad">{kind}</p>
      <p lang="en" className="text-bad">{of.error}</p>
      {advice && <p className="text-muted">{advice}</p>}
      {children}
    </div>
  );
}
