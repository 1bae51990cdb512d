/* Something that changes the server: one at a time, with its news. Errors of the server are told as it said them.
 *
 *   const { busy, act } = useAction();
 *   await act('stop', () => api('POST', ...), t('stopped'));   // true: it worked
 */
import { useCallback, useState } from 'react';
import { toast } from './toast';

export function useAction() {
  const [busy, setBusy] = useState<string | null>(null);
  const act = useCallback(async (name: string, work: () => Promise<unknown>, done?: string): Promise<boolean> => {
    setBusy(name);
    try {
      await work();
      if (done) toast.ok(done);
      return true;
    } catch (error) {
      toast.error(error);
      return false;
    } finally {
      setBusy(null);
    }
  }, []);
  return { busy, act };
}
