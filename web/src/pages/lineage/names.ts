/* What a thing in the graph is called: its title, a line below it, and both for those who hear it. */
import { formatNumber } from '../../ui';
import { useLang, useWords } from '../../i18n';
import type { Look, Shown } from './graph';
import { words } from './words';

export function useNames() {
  const t = useWords(words);
  const { lang } = useLang();
  const look = (of: Look) => t(`look_${of}`);
  const state = (of: Shown) => {
    const said = (of.node.status ?? of.node.state ?? '').toUpperCase();
    const key = `state_${said}` as keyof typeof words.en;
    return key in words.en ? t(key) : said === 'FINISHED' || said === 'READY' ? '' : said.toLowerCase();
  };
  const title = (of: Shown) => (of.look === 'predictions' ? t('predictionsAs', { aliases: of.aliases || of.node.name }) : of.node.name);
  const text = (of: Shown) => {
    const { node } = of;
    const parts =
      of.look === 'predictions' ? [node.name, t('versionN', { n: node.version ?? '' })]
      : node.type === 'run' ? [of.look === 'import' ? '' : node.component, state(of)]
      : node.type === 'dataset' ? [node.version && t('versionN', { n: node.version }), node.rows ? t('rowsN', { n: formatNumber(node.rows, lang) }) : '', state(of)]
      : [node.version && t('versionN', { n: node.version }), node.aliases, state(of)];
    return parts.filter(Boolean).join(' · ') || look(of.look);
  };
  return { look, state, title, text, whole: (of: Shown) => `${look(of.look)}: ${title(of)}, ${text(of)}` };
}
