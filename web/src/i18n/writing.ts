/* Numbers and ages as English and German write them, by hand: the first formatter of Intl that a page makes costs it 15 to 40 ms, on
 * the way to the first thing that it shows. A test compares them with Intl's own. */
import type { Lang } from '.';

/** 1234567 -> "1,234,567", "1.234.567" */
export const inGroups = (whole: number, lang: Lang) => String(whole).replace(/\B(?=(\d{3})+$)/g, lang === 'de' ? '.' : ',');

/** 20.5 -> "20.5", "20,5": digits that need no groups. */
export const withPoint = (digits: string, lang: Lang) => (lang === 'de' ? digits.replace('.', ',') : digits);

/** 0.4305 -> "43.1%", "43,1 %" */
export function inPercent(share: number, digits: 0 | 1, lang: Lang): string {
  const scale = 10 ** digits;
  const rounded = Math.round(Number((share * 100 * scale).toPrecision(12))) / scale; // 43.05 is 43.0499... to the machine
  return withPoint(rounded.toFixed(digits), lang) + (lang === 'de' ? '\u00a0%' : '%');
}

const UNITS: [seconds: number, en: string, de: string][] = [
  [31536000, 'yr.', 'Jahren'],
  [2592000, 'mo.', 'Monaten'],
  [86400, 'days', 'Tagen'],
  [3600, 'hr.', 'Std.'],
  [60, 'min.', 'Min.'],
  [1, 'sec.', 'Sek.'],
];
const NAMED: Record<Lang, Record<string, string>> = {
  en: {
    '-1 days': 'yesterday', '1 days': 'tomorrow',
    '-1 mo.': 'last mo.', '1 mo.': 'next mo.', '-1 yr.': 'last yr.', '1 yr.': 'next yr.',
  },
  de: {
    '-1 Tagen': 'gestern', '-2 Tagen': 'vorgestern', '1 Tagen': 'morgen', '2 Tagen': 'übermorgen',
    '-1 Monaten': 'letzten Monat', '1 Monaten': 'nächsten Monat', '-1 Jahren': 'letztes Jahr', '1 Jahren': 'nächstes Jahr',
  },
};

/** -180 -> "3 min. ago", "vor 3 Min." */
export function inWords(seconds: number, lang: Lang): string {
  if (Math.abs(seconds) < 10) return lang === 'de' ? 'jetzt' : 'now';
  const [length, en, de] = UNITS.find(([least]) => Math.abs(seconds) >= least)!;
  const count = Math.trunc(seconds / length);
  const unit = lang === 'de' ? de : en;
  const some = `${Math.abs(count)} ${unit}`;
  const told = lang === 'de' ? `${count < 0 ? 'vor' : 'in'} ${some}` : count < 0 ? `${some} ago` : `in ${some}`;
  return NAMED[lang][`${count} ${unit}`] ?? told;
}
