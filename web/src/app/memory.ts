/* What a browser remembers of its user: theme, language, columns. Without storage (a private window may refuse) it forgets. */

export function remembered(name: string): string | null {
  try {
    return localStorage.getItem(`skerry.${name}`);
  } catch {
    return null;
  }
}

export function remember(name: string, value: string | null): void {
  try {
    if (value === null) localStorage.removeItem(`skerry.${name}`);
    else localStorage.setItem(`skerry.${name}`, value);
  } catch {
    /* nothing is lost but the choice */
  }
}
