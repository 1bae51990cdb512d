/* State that stands in the address: filters, tabs, sort orders. Changing it replaces the entry in the history, so that "back"
 * leaves the page instead of undoing letters; pass push for what is a step of its own. */
import { useCallback } from 'react';
import { useLocation, useSearch } from 'wouter';

export function useParam(name: string, fallback = ''): [string, (value: string, options?: { push?: boolean }) => void] {
  const search = useSearch();
  const [, navigate] = useLocation();
  const value = new URLSearchParams(search).get(name) ?? fallback;
  const set = useCallback(
    (next: string, { push = false } = {}) => {
      // The address as it is now: two changes in one moment both count.
      const params = new URLSearchParams(location.search);
      if (next === fallback || next === '') params.delete(name);
      else params.set(name, next);
      const text = params.toString();
      const path = location.pathname.replace(/^\/ui/, '') || '/';
      navigate(text ? `${path}?${text}` : path, { replace: !push });
    },
    [name, fallback, navigate],
  );
  return [value, set];
}

/** The last part of the address as it was meant. The router has decoded some of it, and would decode a name with a % once more. */
export function useLastPart(): string {
  useLocation(); // asked again when it changes
  return decodeURIComponent(location.pathname.split('/').pop() ?? '');
}
