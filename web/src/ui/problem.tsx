/* What went wrong, in the reader's language: the kind of it, which the server says by a short name. What exactly, it says in English,
 * and that stands beside it as it came. */
import { ApiError } from '../api/client';
import { useLang, useWords } from '../i18n';
import { words } from '../i18n/words';

type Key = Extract<keyof (typeof words)['en'], `problem_${string}`>;

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
