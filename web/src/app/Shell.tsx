/* The frame around every page: navigation, header, help, what is said about the connection, and the page itself. */
import { useEffect, useMemo, useRef, useState, type ComponentType } from 'react';
import { Link, Route, Switch, useLocation, Redirect } from 'wouter';
import { signIn, needsKey } from '../api/client';
import { connection, connectionState } from '../api/connection';
import { useApi } from '../api/useApi';
import { useLang, useText, useWords, type Lang } from '../i18n';
import { words } from '../i18n/words';
import { Button, IconButton, LinkButton } from '../ui/buttons';
import { ConfirmDialog, Dialog } from '../ui/dialog';
import { CheckField, TextField } from '../ui/fields';
import { Icon, type IconName } from '../ui/icons';
import { Page } from '../ui/page';
import { Boundary, EmptyState, ErrorState, Loading } from '../ui/states';
import { Toasts } from '../ui/toast';
import { Mark } from './Mark';
import { groups, pages, type Loader, type PageInfo } from './pages';
import { shortcuts, shortcutsOn, switchShortcuts, useShortcut } from './shortcuts';
import { useStore } from './store';
import { chooseTheme, themeChoice, type ThemeChoice } from './theme';

/* ---------------------------------------------------------------- navigation */

function useMenu(): PageInfo[] {
  const ui = useApi('/v1/ui');
  const known = ui.data?.pages;
  return useMemo(() => (known ? pages.filter((p) => known.some((k) => k.path === `/ui${p.path}`)) : []), [known]);
}

function isBelow(location: string, path: string): boolean {
  return path === '/' ? location === '/' : location === path || location.startsWith(`${path}/`);
}

function Navigation({ menu, onGo }: { menu: PageInfo[]; onGo: () => void }) {
  const t = useWords(words);
  const text = useText();
  const [location] = useLocation();
  return (
    <nav aria-label={t('navigation')} className="p-2 flex flex-col gap-4">
      {groups.map((group) => {
        const mine = menu.filter((p) => p.group === group.id);
        if (mine.length === 0) return null;
        return (
          <div key={group.id}>
            {group.title && <h2 className="px-2 pb-1 text-[0.79rem] font-semibold text-muted">{text(group.title)}</h2>}
            <ul className="flex flex-col gap-px">
              {mine.map((p) => {
                const isHere = isBelow(location, p.path);
                return (
                  <li key={p.path}>
                    <Link href={p.path} onClick={onGo} aria-current={isHere ? 'page' : undefined} className={`flex items-center gap-2.5 rounded-md px-2 min-h-8 ${isHere ? 'bg-raised text-text font-semibold' : 'text-muted hover:text-text hover:bg-raised'}`}>
                      <Icon name={p.icon} className={`shrink-0 ${isHere ? 'text-lamp' : ''}`} />
                      <span className="whitespace-nowrap">{text(p.title)}</span>
                    </Link>
                  </li>
                );
              })}
            </ul>
          </div>
        );
      })}
    </nav>
  );
}

function PageShortcut({ info }: { info: PageInfo }) {
  const t = useWords(words);
  const text = useText();
  const [, navigate] = useLocation();
  useShortcut(info.keys!, t('goTo', { page: text(info.title) }), () => navigate(info.path));
  return null;
}

/* ---------------------------------------------------------------- header */

const themeIcons: Record<ThemeChoice, IconName> = { dark: 'moon', light: 'sun', system: 'screen' };

function ThemeSwitch() {
  const t = useWords(words);
  const choice = useStore(themeChoice);
  const names: Record<ThemeChoice, string> = { dark: t('themeDark'), light: t('themeLight'), system: t('themeSystem') };
  return (
    <span className="relative inline-flex items-center">
      <Icon name={themeIcons[choice]} className="absolute left-2 pointer-events-none text-muted" />
      <select aria-label={t('theme')} value={choice} onChange={(e) => chooseTheme(e.target.value as ThemeChoice)} className="appearance-none min-h-8 pl-8 pr-2 rounded-md bg-surface text-text hover:bg-raised max-w-8 sm:max-w-none">
        {(Object.keys(names) as ThemeChoice[]).map((c) => <option key={c} value={c}>{names[c]}</option>)}
      </select>
    </span>
  );
}

function LangSwitch() {
  const t = useWords(words);
  const { lang, setLang } = useLang();
  return (
    <select aria-label={t('language')} value={lang} onChange={(e) => setLang(e.target.value as Lang)} className="appearance-none min-h-8 px-2 rounded-md bg-surface text-text hover:bg-raised">
      <option value="en" lang="en">English</option>
      <option value="de" lang="de">Deutsch</option>
    </select>
  );
}

function ConnectionBar() {
  const t = useWords(words);
  const { state, isNewBuild } = useStore(connectionState);
  if (state === 'online' && !isNewBuild) return <div role="status" className="sr-only" />;
  const isAway = state === 'offline';
  return (
    <div role="status" data-connection={state} className={`flex flex-wrap items-center gap-3 px-4 py-1.5 border-b border-line ${isAway ? 'text-bad tint-bad' : 'text-accent tint-accent'}`}>
      <Icon name="alert" />
      <span className="grow">{isAway ? t('offline') : t('newBuild')}</span>
      {isAway ? <Button onClick={() => connection.retryNow()}>{t('retryNow')}</Button> : <Button onClick={() => location.reload()}>{t('reload')}</Button>}
    </div>
  );
}

/* ---------------------------------------------------------------- help, key */

function Help({ open, onClose }: { open: boolean; onClose: () => void }) {
  const t = useWords(words);
  const list = useStore(shortcuts);
  const on = useStore(shortcutsOn);
  return (
    <Dialog open={open} onClose={onClose} title={t('shortcuts')}>
      <dl className="grid grid-cols-[auto_1fr] gap-x-4 gap-y-1.5 mb-3">
        {list.map((s) => (
          <div key={s.keys + s.does} className="contents">
            <dt>{s.keys.split(' ').map((k) => <kbd key={k} className="inline-block min-w-6 text-center rounded border border-edge px-1.5 mr-1 font-mono text-[0.86rem]">{k}</kbd>)}</dt>
            <dd>{s.does}</dd>
          </div>
        ))}
      </dl>
      <CheckField label={t('shortcutsOn')} value={on} onChange={switchShortcuts} />
    </Dialog>
  );
}

function KeyDialog() {
  const t = useWords(words);
  const open = useStore(needsKey);
  const [key, setKey] = useState('');
  const use = () => {
    signIn(key.trim());
    location.reload();
  };
  return (
    <Dialog open={open} onClose={() => needsKey.set(false)} title={t('keyTitle')} actions={<Button look="primary" disabled={!key.trim()} onClick={use}>{t('keyUse')}</Button>}>
      <form onSubmit={(event) => { event.preventDefault(); use(); }}>
        <p className="mb-3 text-muted">{t('keyText')}</p>
        <TextField label={t('keyLabel')} type="password" autoComplete="off" value={key} onChange={setKey} />
      </form>
    </Dialog>
  );
}

/* ---------------------------------------------------------------- pages */

const loaded = new Map<Loader, ComponentType>();

async function fetched(load: Loader): Promise<void> {
  if (!loaded.has(load)) loaded.set(load, (await load()).default);
}

/** A page, as soon as it is there. Not React's lazy(): once it has shown its fallback, it shows nothing else for 300 ms. */
function Lazy({ load }: { load: Loader }) {
  const [, redraw] = useState(false);
  const [error, setError] = useState<Error | null>(null);
  useEffect(() => {
    let isGone = false;
    fetched(load).then(() => !isGone && redraw(true), (e: Error) => !isGone && setError(e));
    return () => {
      isGone = true;
    };
  }, [load]);
  if (error) throw error;
  const Component = loaded.get(load);
  return Component ? <Component /> : <Loading />;
}

/** The page that the browser was sent to is fetched before the frame is drawn. */
export async function fetchFirst(path: string): Promise<void> {
  const first = pages.find((p) => p.path === path);
  if (first) await fetched(first.load).catch(() => {}); // Lazy tells it
}

const routes = pages.flatMap((p) => [{ path: p.path, load: p.load }, ...(p.views ?? [])]);

function NotFound() {
  const t = useWords(words);
  const [location] = useLocation();
  return (
    <Page title={t('notFoundTitle')}>
      <EmptyState icon="search" title={t('notFoundTitle')} action={<LinkButton href="/">{t('toOverview')}</LinkButton>}>
        {t('notFoundText', { path: location })}
      </EmptyState>
    </Page>
  );
}

function Views() {
  const t = useWords(words);
  const [location] = useLocation();
  const broken = (error: Error) => (
    <Page title={t('pageBroken')}>
      <p className="mb-3">{t('pageBrokenText')}</p>
      <ErrorState error={error} retry={() => window.location.reload()} />
    </Page>
  );
  return (
    <Boundary shown={broken} place={location}>
      <Switch>
        {routes.map((route) => <Route key={route.path} path={route.path}><Lazy load={route.load} /></Route>)}
        <Route path="/index.html"><Redirect to="/" replace /></Route>
        <Route component={NotFound} />
      </Switch>
    </Boundary>
  );
}

/** A link to another page begins at its top; the new heading takes the focus (ui/page.tsx). */
function useScrollToTop() {
  const [location] = useLocation();
  const isFirst = useRef(true);
  useEffect(() => {
    if (!isFirst.current) window.scrollTo(0, 0);
    isFirst.current = false;
  }, [location]);
}

export function Shell() {
  const t = useWords(words);
  const menu = useMenu();
  const [isHelpOpen, setHelpOpen] = useState(false);
  const [isMenuOpen, setMenuOpen] = useState(false);
  const menuButton = useRef<HTMLButtonElement>(null);
  useScrollToTop();
  useShortcut('?', t('showShortcuts'), () => setHelpOpen(true));
  const closeMenu = () => {
    if (isMenuOpen) menuButton.current?.focus();
    setMenuOpen(false);
  };
  return (
    <div className="min-h-dvh flex flex-col">
      <a href="#main" className="sr-only focus:not-sr-only focus:fixed focus:z-50 focus:top-2 focus:left-2 focus:bg-accent focus:text-on-accent focus:px-3 focus:py-2 focus:rounded-md">{t('skip')}</a>
      <header className="sticky top-0 z-30 bg-surface border-b border-line">
        <div className="flex items-center gap-1 h-12 px-3">
          <button ref={menuButton} type="button" aria-label={isMenuOpen ? t('closeMenu') : t('menu')} aria-expanded={isMenuOpen} aria-controls="navigation" onClick={() => setMenuOpen(!isMenuOpen)} className="md:hidden inline-grid place-items-center size-9 rounded-md text-muted hover:bg-raised">
            <Icon name={isMenuOpen ? 'close' : 'menu'} size={20} />
          </button>
          <Link href="/" className="flex items-center gap-2 font-semibold text-text text-[1.07rem] px-1">
            <Mark />
            Skerry
          </Link>
          <span className="grow" />
          {menu.filter((p) => p.keys).map((p) => <PageShortcut key={p.path} info={p} />)}
          <LangSwitch />
          <ThemeSwitch />
          <IconButton icon="help" label={t('shortcuts')} onClick={() => setHelpOpen(true)} />
        </div>
        <ConnectionBar />
      </header>
      <div className="grow flex min-w-0">
        <div id="navigation" onKeyDown={(e) => e.key === 'Escape' && closeMenu()} className={`${isMenuOpen ? 'block' : 'hidden'} md:block fixed md:sticky top-12 z-20 h-[calc(100dvh-3rem)] w-64 md:w-62 shrink-0 overflow-y-auto bg-surface border-r border-line`}>
          <Navigation menu={menu} onGo={() => setMenuOpen(false)} />
        </div>
        {isMenuOpen && <div aria-hidden className="md:hidden fixed inset-0 top-12 z-10 bg-shade/50" onClick={closeMenu} />}
        <main id="main" tabIndex={-1} className="grow min-w-0 p-4 md:p-6">
          <Views />
        </main>
      </div>
      <Help open={isHelpOpen} onClose={() => setHelpOpen(false)} />
      <KeyDialog />
      <ConfirmDialog />
      <Toasts />
    </div>
  );
}
