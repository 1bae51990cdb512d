/* Kinds of jobs in words. Their names (chess.train) stay beside them: settings and commands use those. A test compares the list with
 * what the server's workers take: tests/interop/test_web_german.py. */
import type { Text } from '..';

const kinds: Record<string, Text> = {
  'core.collect': { en: 'Remove unused blobs', de: 'Unbenutzte Objekte entfernen' },
  'core.gc': { en: 'Clean up', de: 'Aufräumen' },
  'core.promotion': { en: 'Judge versions', de: 'Versionen beurteilen' },
  'core.backup': { en: 'Backup', de: 'Sicherung' },
  'core.verify_backup': { en: 'Verify a backup', de: 'Sicherung prüfen' },
  'chess.ingest': { en: 'Import games', de: 'Partien importieren' },
  'chess.dataset': { en: 'Build a dataset', de: 'Datensatz erzeugen' },
  'chess.train': { en: 'Train', de: 'Training' },
  'chess.evaluate': { en: 'Evaluate', de: 'Bewertung' },
  'chess.match': { en: 'Match', de: 'Wettkampf' },
  'chess.analyse': { en: 'Run the plugins', de: 'Durchgang der Plugins' },
  'mlflow.import': { en: 'Take over from MLflow', de: 'Übernahme aus MLflow' },
  'rps.train': { en: 'Train', de: 'Training' },
  'rps.import': { en: 'Import games', de: 'Spiele importieren' },
  'rps.evaluate': { en: 'Evaluate', de: 'Bewertung' },
};

/** null: of a program that is newer than these pages. */
export const kindInWords = (kind: string): Text | null => kinds[kind] ?? null;
