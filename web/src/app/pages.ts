/* The pages: each is a folder in src/pages whose page.ts says what it is. Nobody lists them; they are found. What stands in the
 * navigation is what the server's apps say they have (struct page in their tables, GET /v1/ui) and this build can show. */
import type { ComponentType } from 'react';
import type { Text } from '../i18n';
import type { IconName } from '../ui/icons';

export type Loader = () => Promise<{ default: ComponentType }>;

export interface View {
  path: string; // below /ui: "/runs/:runId"
  load: Loader;
}

export interface PageInfo {
  path: string; // as in the app's table, without /ui
  title: Text;
  icon: IconName;
  group: 'see' | 'data' | 'chess' | 'rps' | 'system';
  order: number; // within the group
  keys?: string; // "g r" opens it
  load: Loader;
  views?: View[]; // what lies below it
}

/** Does nothing but check the shape. */
export function page(info: PageInfo) {
  return info; // a function: it is called while this module is still being loaded
}

export const groups: { id: PageInfo['group']; title: Text | null }[] = [
  { id: 'see', title: null },
  { id: 'data', title: { en: 'Data', de: 'Daten' } },
  { id: 'chess', title: { en: 'Chess', de: 'Schach' } },
  { id: 'rps', title: null }, // one page, which says it itself
  { id: 'system', title: { en: 'System', de: 'System' } },
];

const found = import.meta.glob<{ default: PageInfo }>('../pages/*/page.ts', { eager: true });

export const pages: PageInfo[] = Object.values(found)
  .map((module) => module.default)
  .sort((a, b) => a.order - b.order);

/** Does this build have a page there? Views lie below their page. */
export const hasPage = (href: string) => pages.some((p) => p.path === `/${href.slice(1).split(/[/?#]/, 1)[0]}`);
