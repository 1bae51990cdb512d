/* Keys: one, or two one after the other ("g r"). Each says what it does, and the help sheet (?) lists those that work on the
 * page at the moment. Not while somebody types; and they can be switched off (WCAG 2.1.4). */
import { useLayoutEffect, useRef } from 'react';
import { remember, remembered } from './memory';
import { Store } from './store';

export interface Shortcut {
  keys: string; // "?" or "g r"
  does: string;
  run: () => void;
}

const SECOND_KEY_MS = 1200;

export const shortcuts = new Store<readonly Shortcut[]>([]);
export const shortcutsOn = new Store(remembered('shortcuts') !== 'off');

export function switchShortcuts(on: boolean) {
  remember('shortcuts', on ? null : 'off');
  shortcutsOn.set(on);
}

let first = '';
let firstAt = 0;

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || target.matches('input:not([type=checkbox]):not([type=range]):not([type=radio]), textarea, select'));
}

document.addEventListener('keydown', (event) => {
  if (!shortcutsOn.get() || event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target) || document.querySelector('dialog[open]')) return;
  if (event.key.length !== 1) return;
  // When the key was pressed, not when a busy page came to hear of it.
  const both = event.timeStamp - firstAt < SECOND_KEY_MS ? `${first} ${event.key}` : '';
  // The newest of the same keys: a page may have one of its own.
  const found = shortcuts.get().findLast((s) => s.keys === both) ?? shortcuts.get().findLast((s) => s.keys === event.key);
  first = found ? '' : event.key;
  firstAt = event.timeStamp;
  if (!found) return;
  event.preventDefault();
  found.run();
});

/** A shortcut for as long as the component is there: `useShortcut('n', t('newRun'), start)`. */
export function useShortcut(keys: string, does: string, run: () => void) {
  const latest = useRef(run);
  latest.current = run;
  // Before the page is seen: who presses a key as soon as it is, is heard.
  useLayoutEffect(() => {
    const mine: Shortcut = { keys, does, run: () => latest.current() };
    shortcuts.update((list) => [...list, mine]);
    return () => shortcuts.update((list) => list.filter((s) => s !== mine));
  }, [keys, does]);
}
