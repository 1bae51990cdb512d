/* What stands for a parameter of the path: /v1/jobs/{id} is asked with the ids that /v1/jobs lists. Those of the newest are offered,
 * and a call that only reads begins with the newest of all. */
import { useEffect, useState } from 'react';
import { call } from '../../api/client';
import { isBeyond, useRole } from '../../api/access';
import type { Document, Operation } from './document';

// Lists that cannot be asked without saying of whom have a sister that can.
const instead: Record<string, string> = { '/v1/games': '/v1/games/recent' };
const OFFERED_MAX = 20;

/** The call that lists what the first parameter of the path names, where there is one. */
function listOf(document: Document, operation: Operation): { path: string; access: string } | null {
  const before = operation.path.slice(0, operation.path.indexOf('/{'));
  const path = instead[before] ?? before;
  const list = operation.path.includes('/{') ? document.paths[path]?.get : undefined;
  return list ? { path, access: list['x-access'] } : null;
}

function idsOf(answer: unknown, name: string): string[] {
  const items: unknown[] = Array.isArray(answer) ? answer : ((answer as { items?: unknown[] } | null)?.items ?? []);
  return items.slice(0, OFFERED_MAX).flatMap((item) => {
    const row = (item ?? {}) as Record<string, unknown>;
    const id = row[name] ?? row.id ?? row.modelId ?? row.evaluationId ?? row.name;
    return typeof id === 'string' || typeof id === 'number' ? [String(id)] : [];
  });
}

export function useKnown(document: Document, operation: Operation, onNewest: (name: string, id: string) => void): string[] {
  const [known, setKnown] = useState<string[]>([]);
  const role = useRole();
  useEffect(() => {
    const list = listOf(document, operation);
    const name = operation.parameters.find((p) => p.in === 'path')?.name;
    if (!list || !name || role === undefined || isBeyond(role, list.access)) return;
    const controller = new AbortController();
    call('GET', list.path, { signal: controller.signal }).then(
      (answer) => {
        const ids = idsOf(answer, name);
        setKnown(ids);
        if (ids[0]) onNewest(name, ids[0]);
      },
      () => {}, // then it is typed
    );
    return () => controller.abort();
    // The answer belongs to the call, which a key of this component changes.
  }, [document, operation, role]);
  return known;
}
