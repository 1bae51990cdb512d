/* Names that the server says in English, wherever chess is shown: speeds of games, and why one ended. */
import { dictionary, useLang } from '../i18n';

const words = dictionary({
  en: {
    ULTRABULLET: 'ultrabullet',
    BULLET: 'bullet',
    BLITZ: 'blitz',
    RAPID: 'rapid',
    CLASSICAL: 'classical',
    CORRESPONDENCE: 'correspondence',
    UNKNOWN: 'unknown',
    checkmate: 'checkmate',
    stalemate: 'stalemate',
    'insufficient material': 'insufficient material',
    '75-move rule': '75-move rule',
    'fivefold repetition': 'fivefold repetition',
    '50-move rule': '50-move rule',
    'threefold repetition': 'threefold repetition',
    'longest game allowed': 'longest game allowed',
    'time forfeit': 'time forfeit',
    'time forfeit against insufficient material': 'time forfeit against insufficient material',
    resignation: 'resignation',
  },
  de: {
    ULTRABULLET: 'Ultrabullet',
    BULLET: 'Bullet',
    BLITZ: 'Blitz',
    RAPID: 'Schnellschach',
    CLASSICAL: 'Klassisch',
    CORRESPONDENCE: 'Fernschach',
    UNKNOWN: 'Unbekannt',
    checkmate: 'Matt',
    stalemate: 'Patt',
    'insufficient material': 'zu wenig Material',
    '75-move rule': 'die 75-Züge-Regel',
    'fivefold repetition': 'fünffache Wiederholung',
    '50-move rule': 'die 50-Züge-Regel',
    'threefold repetition': 'dreifache Wiederholung',
    'longest game allowed': 'die größte erlaubte Länge',
    'time forfeit': 'Zeitüberschreitung',
    'time forfeit against insufficient material': 'Zeitüberschreitung gegen zu wenig Material',
    resignation: 'Aufgabe',
  },
});

/** `nameOf('BLITZ')`, `nameOf('checkmate')`; what is not known stays as the server says it. */
export function useChessNames(): (said: string) => string {
  const { lang } = useLang();
  return (said) => (words[lang] as Record<string, string>)[said] ?? said;
}
