/* Dark, light, or as the system says. The theme stands as data-theme at <html>; what draws on a canvas watches `theme`. */
import { remember, remembered } from './memory';
import { Store } from './store';

export type ThemeChoice = 'dark' | 'light' | 'system';

const system = matchMedia('(prefers-color-scheme: dark)');

function firstChoice(): ThemeChoice {
  const chosen = remembered('theme');
  return chosen === 'dark' || chosen === 'light' ? chosen : 'system';
}

export const themeChoice = new Store<ThemeChoice>(firstChoice());
export const theme = new Store<'dark' | 'light'>('dark');

function apply() {
  const choice = themeChoice.get();
  const now = choice === 'system' ? (system.matches ? 'dark' : 'light') : choice;
  document.documentElement.dataset.theme = now;
  theme.set(now);
}

export function chooseTheme(choice: ThemeChoice) {
  remember('theme', choice === 'system' ? null : choice);
  themeChoice.set(choice);
}

themeChoice.watch(apply);
system.addEventListener('change', apply);
apply();

/** The value of a token at this moment: `token('chart-1')`. For canvases. */
export function token(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}
