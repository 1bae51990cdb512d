/* Tabs whose choice stands in the address (?tab=...), so that a link and the back button know it. */
import { useId, useRef, type KeyboardEvent, type ReactNode } from 'react';
import { useDenied, type Needs } from '../api/access';
import { useParam } from '../app/params';
import { useWords } from '../i18n';
import { words } from '../i18n/words';
import { Icon } from './icons';
import { EmptyState, Loading } from './states';

export interface Tab {
  id: string;
  title: string;
  count?: number;
  needs?: Needs; // what it asks the server; who may not ask that is told so instead
  render: () => ReactNode;
}

function Label({ tab }: { tab: Tab }) {
  const t = useWords(words);
  const denied = useDenied(tab.needs);
  return (
    <>
      {denied && <Icon name="key" className="inline mr-1 -mt-0.5" />}
      {tab.title}
      {denied && <span className="sr-only"> ({t('deniedTitle', { needed: denied.needed })})</span>}
      {tab.count !== undefined && <span className="ml-1.5 text-muted font-normal">{tab.count}</span>}
    </>
  );
}

function Content({ tab }: { tab: Tab }) {
  const t = useWords(words);
  const denied = useDenied(tab.needs);
  if (denied === undefined) return <Loading />;
  if (denied) return <EmptyState icon="key" title={t('deniedTitle', { needed: denied.needed })}>{denied.why}</EmptyState>;
  return <>{tab.render()}</>;
}

export function Tabs({ tabs, label, param = 'tab' }: { tabs: Tab[]; label: string; param?: string }) {
  const [chosen, choose] = useParam(param, tabs[0]?.id ?? '');
  const base = useId();
  const list = useRef<HTMLDivElement>(null);
  const at = Math.max(0, tabs.findIndex((tab) => tab.id === chosen));
  const onKeyDown = (event: KeyboardEvent) => {
    const moves: Record<string, number> = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: tabs.length - 1 };
    const to = moves[event.key];
    if (to === undefined) return;
    event.preventDefault();
    const next = (to + tabs.length) % tabs.length;
    choose(tabs[next]!.id);
    list.current?.querySelectorAll<HTMLElement>('[role=tab]')[next]?.focus();
  };
  const shown = tabs[at];
  return (
    <div>
      <div ref={list} role="tablist" aria-label={label} className="flex gap-1 border-b border-line overflow-x-auto" onKeyDown={onKeyDown}>
        {tabs.map((tab, i) => (
          <button
            key={tab.id}
            type="button"
            role="tab"
            id={`${base}-${tab.id}`}
            aria-selected={i === at}
            aria-controls={i === at ? `${base}-panel` : undefined}
            tabIndex={i === at ? 0 : -1}
            onClick={() => choose(tab.id)}
            className={`relative px-3 py-2 -mb-px border-b-2 whitespace-nowrap ${i === at ? 'border-accent text-text font-semibold' : 'border-transparent text-muted hover:text-text'}`}
          >
            <Label tab={tab} />
          </button>
        ))}
      </div>
      {shown && (
        <div role="tabpanel" id={`${base}-panel`} aria-labelledby={`${base}-${shown.id}`} tabIndex={0} className="pt-4">
          <Content key={shown.id} tab={shown} />
        </div>
      )}
    </div>
  );
}
