/* Page: the heading that takes the focus when one comes here, the tab's title, and what can be done. Section: a part of it. */
import { useEffect, useId, useRef, type ReactNode } from 'react';
import { useLocation } from 'wouter';
import { TextLink } from './buttons';

export interface Crumb {
  title: string;
  href: string;
}

let firstPage = true;

export function Page({ title, crumbs = [], actions, children }: { title: string; crumbs?: Crumb[]; actions?: ReactNode; children: ReactNode }) {
  const heading = useRef<HTMLHeadingElement>(null);
  const [location] = useLocation();
  useEffect(() => {
    document.title = `${[title, ...crumbs.map((c) => c.title).reverse()].join(' · ')} – Skerry`;
  });
  useEffect(() => {
    // A first load leaves the focus to the browser; a change of page says where one is.
    if (!firstPage) heading.current?.focus({ preventScroll: true });
    firstPage = false;
  }, [location]);
  return (
    <div className="max-w-[96rem] mx-auto flex flex-col gap-5">
      <div className="flex flex-wrap items-end justify-between gap-x-4 gap-y-2">
        <div className="min-w-0">
          {crumbs.length > 0 && (
            <ol className="flex flex-wrap gap-1.5 text-muted text-[0.86rem]">
              {crumbs.map((c) => <li key={c.href}><TextLink href={c.href}>{c.title}</TextLink> ›</li>)}
            </ol>
          )}
          <h1 ref={heading} tabIndex={-1} className="text-xl font-semibold break-words">{title}</h1>
        </div>
        {actions && <div className="flex flex-wrap gap-2">{actions}</div>}
      </div>
      {children}
    </div>
  );
}

/** A titled part of a page; `card` puts it on a ground of its own. */
export function Section({ title, actions, card = true, children, className = '' }: { title: string; actions?: ReactNode; card?: boolean; children: ReactNode; className?: string }) {
  const id = useId();
  return (
    <section aria-labelledby={id} className={`min-w-0 ${card ? 'card p-4' : ''} ${className}`}>
      <div className="flex flex-wrap items-center justify-between gap-2 mb-3">
        <h2 id={id} className="font-semibold text-[1.07rem]">{title}</h2>
        {actions}
      </div>
      {children}
    </section>
  );
}

/** Names and values: `<Facts of={[[t('rows'), <Num value={n} />]]} />` */
export function Facts({ of }: { of: [string, ReactNode][] }) {
  return (
    <dl className="grid grid-cols-[minmax(6rem,auto)_1fr] gap-x-4 gap-y-1">
      {of.map(([name, value]) => (
        <div key={name} className="contents">
          <dt className="text-muted">{name}</dt>
          <dd className="min-w-0 break-words">{value}</dd>
        </div>
      ))}
    </dl>
  );
}
