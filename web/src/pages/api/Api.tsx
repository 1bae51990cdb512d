/* The API of this server, from its own document: a list to find a call in, and beside it the call, described and to be tried. */
import { useEffect, useMemo, useRef, type KeyboardEvent } from 'react';
import { Link, useParams } from 'wouter';
import { useApi } from '../../api/useApi';
import { useParam } from '../../app/params';
import { useShortcut } from '../../app/shortcuts';
import { useWords } from '../../i18n';
import { Said, useSaid } from '../../i18n/server';
import { CheckField, CopyButton, EmptyState, Facts, LinkButton, Page, Section, Shown, TextField } from '../../ui';
import { firstOf, fits, operationsOf, partsOf, type Document, type Group, type Operation } from './document';
import { Call } from './Operation';
import { words } from './words';

export default function Api() {
  const t = useWords(words);
  const { operation: name } = useParams<{ operation?: string }>();
  const asked = useApi('/openapi.json');
  const all = useMemo(() => (asked.data ? operationsOf(asked.data) : []), [asked.data]);
  const chosen = all.find((o) => o.operationId === name);
  const isUnknown = asked.data !== undefined && name !== undefined && !chosen;
  return (
    <Page title={chosen ? chosen.name : isUnknown ? t('unknownTitle') : t('title')} crumbs={name === undefined ? [] : [{ title: t('title'), href: '/api' }]}>
      <Shown of={asked}>
        {(document) => (
          <div className="grid gap-5 lg:grid-cols-[minmax(17rem,22rem)_minmax(0,1fr)] items-start">
            {/* Above the list, which is long, where there is no room beside it. */}
            {name === undefined && <div className="lg:hidden"><First all={all} /></div>}
            {/* On a phone a call has the page to itself; the way back is above it. */}
            <div className={`${name === undefined ? '' : 'hidden lg:block'} min-w-0 lg:sticky lg:top-16 lg:max-h-[calc(100dvh-5rem)] lg:overflow-y-auto card p-3`}>
              <List document={document} all={all} chosen={chosen} />
            </div>
            <div className="min-w-0 flex flex-col gap-5">
              {chosen && <Call key={chosen.operationId} document={document} operation={chosen} all={all} />}
              {isUnknown && (
                <EmptyState icon="search" title={t('unknownTitle')} action={<LinkButton href="/api">{t('toAll')}</LinkButton>}>
                  {t('unknownText', { name })}
                </EmptyState>
              )}
              {name === undefined && <Intro document={document} all={all} />}
            </div>
          </div>
        )}
      </Shown>
    </Page>
  );
}

function First({ all }: { all: Operation[] }) {
  const t = useWords(words);
  return (
    <Section title={t('first')}>
      <ul className="grid gap-1 xl:grid-cols-2">
        {firstOf(all).map((o) => <li key={o.operationId}><CallLink operation={o} /></li>)}
      </ul>
    </Section>
  );
}

function Intro({ document, all }: { document: Document; all: Operation[] }) {
  const t = useWords(words);
  const command = `curl -s ${location.origin}/v1/status`;
  return (
    <>
      <div className="hidden lg:block"><First all={all} /></div>
      <Section title={t('intro')}>
        <p className="max-w-[70ch] mb-3">{t('introText')}</p>
        <Facts
          of={[
            [t('base'), <code>{location.origin}</code>],
            [t('version'), document.info.version],
            [t('document'), <a href="/openapi.json">/openapi.json</a>],
            [t('keyHow'), t('keyHowText')],
            [t('errors'), t('errorsText')],
          ]}
        />
        <div className="mt-3 flex flex-wrap items-center gap-2">
          <pre tabIndex={0} className="bg-raised rounded-md px-3 py-1.5 min-w-0 overflow-x-auto"><code>{command}</code></pre>
          <CopyButton text={command} />
        </div>
      </Section>
    </>
  );
}

/* ---------------------------------------------------------------- the list */

export const methodTone: Record<Operation['method'], string> = { GET: 'text-accent', POST: 'text-good', PUT: 'text-warn', PATCH: 'text-warn', DELETE: 'text-bad' };

function List({ document, all, chosen }: { document: Document; all: Operation[]; chosen: Operation | undefined }) {
  const t = useWords(words);
  const [filter, setFilter] = useParam('q');
  const [aliases, setAliases] = useParam('aliases');
  const box = useRef<HTMLDivElement>(null);
  useShortcut('/', t('focusFilter'), () => box.current?.querySelector('input')?.focus());
  const known = useMemo(() => all.filter((o) => aliases === 'yes' || !o['x-alias-of']), [all, aliases]);
  const say = useSaid('routes');
  const found = useMemo(() => (filter.trim() ? known.filter((o) => fits(o, filter, say(o.summary))) : known), [known, filter, say]);
  const parts = useMemo(() => partsOf(document, found), [document, found]);
  const search = new URLSearchParams([...(filter ? [['q', filter]] : []), ...(aliases ? [['aliases', aliases]] : [])]).toString();
  // What is chosen is in sight, without moving the page.
  useEffect(() => {
    const pane = box.current?.parentElement;
    const here = pane?.querySelector('[aria-current=page]');
    if (!pane || !here || pane.scrollHeight <= pane.clientHeight) return;
    const [outer, inner] = [pane.getBoundingClientRect(), here.getBoundingClientRect()];
    if (inner.top < outer.top || inner.bottom > outer.bottom) pane.scrollTop += inner.top - outer.top - outer.height / 3;
  }, [chosen]);
  // Arrows go from the box into the list and through what is open of it.
  const onKeyDown = (event: KeyboardEvent) => {
    const step = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? -1 : 0;
    if (!step) return;
    const stops = [...box.current!.querySelectorAll<HTMLElement>('input[type=search], summary, a')].filter((e) => e.checkVisibility());
    const at = stops.indexOf(window.document.activeElement as HTMLElement);
    if (at < 0) return;
    event.preventDefault();
    stops[at + step]?.focus();
  };
  return (
    <div ref={box} onKeyDown={onKeyDown} className="flex flex-col gap-3">
      <TextField type="search" label={t('filter')} hideLabel placeholder={t('filterHint')} value={filter} onChange={setFilter} />
      <div className="flex flex-wrap items-center justify-between gap-x-3">
        <CheckField label={t('aliases')} value={aliases === 'yes'} onChange={(on) => setAliases(on ? 'yes' : '')} />
        <span role="status" className="text-muted">{t('nOf', { n: found.length, all: known.length })}</span>
      </div>
      <nav aria-label={t('calls')} className="flex flex-col gap-4">
        {parts.map(({ tag, groups }) => (
          <section key={tag.name} aria-labelledby={`tag-${tag.name}`}>
            <h2 id={`tag-${tag.name}`} className="font-semibold"><Said of="routes">{tag['x-title']}</Said></h2>
            <p className="text-muted text-[0.86rem] mb-1"><Said of="routes">{tag.description}</Said></p>
            {groups.map((group) => <GroupList key={group.name} {...{ group, chosen, search }} isOpen={Boolean(filter.trim()) || Boolean(chosen && group.operations.includes(chosen))} />)}
          </section>
        ))}
      </nav>
      {parts.length === 0 && <EmptyState icon="search" title={t('none')}>{t('noneNext')}</EmptyState>}
    </div>
  );
}

function CallLink({ operation, search = '', isChosen = false }: { operation: Operation; search?: string; isChosen?: boolean }) {
  return (
    <Link
      href={`/api/${operation.operationId}${search ? `?${search}` : ''}`}
      aria-current={isChosen ? 'page' : undefined}
      className={`block rounded-md px-2 py-1 ${isChosen ? 'bg-raised' : 'hover:bg-raised'}`}
    >
      <span className="flex gap-2 text-[0.86rem]">
        <span className={`font-mono font-semibold ${methodTone[operation.method]}`}>{operation.method}</span>
        <span className="font-mono break-all text-text">{operation.path}</span>
      </span>
      <Said of="routes" className="block text-muted text-[0.86rem]">{operation.summary}</Said>
    </Link>
  );
}

function GroupList({ group, chosen, search, isOpen }: { group: Group; chosen: Operation | undefined; search: string; isOpen: boolean }) {
  const details = useRef<HTMLDetailsElement>(null);
  // Opened and closed by hand as well: what comes later from the filter counts again.
  useEffect(() => {
    if (details.current) details.current.open = isOpen;
  }, [isOpen]);
  return (
    <details ref={details}>
      <summary className="min-h-8 py-1 px-1 rounded-md hover:bg-raised">
        {group.name} <span className="text-muted">{group.operations.length}</span>
      </summary>
      <ul className="flex flex-col gap-px pl-2 mb-1">
        {group.operations.map((o) => (
          <li key={o.operationId}><CallLink operation={o} search={search} isChosen={o === chosen} /></li>
        ))}
      </ul>
    </details>
  );
}
