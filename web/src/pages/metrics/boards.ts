/* Ready boards: what one looks at first. A panel is a question in PromQL, or several in one chart. */
import type { Text } from '../../i18n';

export interface Panel {
  title: Text;
  queries: { query: string; label?: string }[];
  unit?: string;
}

export interface Board {
  id: string;
  title: Text;
  panels: Panel[];
}

const quantile = (q: number, name: string) => ({ query: `histogram_quantile(${q}, sum by (le) (rate(${name}_bucket[$window]))) * 1000`, label: `p${q * 100}` });
const one = (query: string, label?: string) => [{ query, label }];

export const boards: Board[] = [
  {
    id: 'server',
    title: { en: 'Server', de: 'Server' },
    panels: [
      { title: { en: 'Requests per second', de: 'Anfragen je Sekunde' }, queries: one('sum by (outcome) (rate(chs_api_requests_total[$window]))') },
      { title: { en: 'Time of a request', de: 'Dauer einer Anfrage' }, unit: 'ms', queries: [quantile(0.5, 'chs_api_request_seconds'), quantile(0.95, 'chs_api_request_seconds'), quantile(0.99, 'chs_api_request_seconds')] },
      { title: { en: 'Processor, in cores', de: 'Prozessorlast in Kernen' }, queries: one('rate(process_cpu_seconds_total[$window])', 'cpu') },
      { title: { en: 'Memory', de: 'Arbeitsspeicher' }, unit: 'MiB', queries: one('process_resident_memory_bytes / 1048576', 'resident') },
      { title: { en: 'Open files', de: 'Offene Dateien' }, queries: one('process_open_fds', 'fds') },
      { title: { en: 'Disk used', de: 'Belegter Speicherplatz' }, unit: 'MiB', queries: one('skerry_disk_used_bytes / 1048576', 'used') },
    ],
  },
  {
    id: 'work',
    title: { en: 'Jobs and training', de: 'Aufträge und Training' },
    panels: [
      { title: { en: 'Jobs', de: 'Aufträge' }, queries: [{ query: 'sum(skerry_jobs_running)', label: 'running' }, { query: 'sum(skerry_jobs_waiting)', label: 'waiting' }] },
      { title: { en: 'Jobs ended, per minute', de: 'Beendete Aufträge je Minute' }, queries: one('sum by (kind, outcome) (rate(skerry_jobs_total[$window])) * 60') },
      { title: { en: 'Loss of trainings', de: 'Loss der Trainings' }, queries: one('chs_training_loss') },
      { title: { en: 'Accuracy of trainings', de: 'Trefferquote der Trainings' }, queries: one('chs_training_val_accuracy') },
      { title: { en: 'Training samples per second', de: 'Trainingsbeispiele je Sekunde' }, queries: one('chs_training_throughput_samples_per_s') },
      { title: { en: 'Runs under way', de: 'Aktive Läufe' }, queries: one('sum(skerry_runs_active)', 'runs') },
    ],
  },
  {
    id: 'serving',
    title: { en: 'Serving', de: 'Modelle im Dienst' },
    panels: [
      { title: { en: 'Predictions per second', de: 'Vorhersagen je Sekunde' }, queries: one('sum by (family) (rate(skerry_serving_predictions_total[$window]))') },
      { title: { en: 'Time of a chess prediction', de: 'Dauer einer Schachvorhersage' }, unit: 'ms', queries: [quantile(0.5, 'chs_predict_latency_seconds'), quantile(0.99, 'chs_predict_latency_seconds')] },
      { title: { en: 'Accuracy, live', de: 'Trefferquote, live' }, queries: one('skerry_serving_accuracy') },
      { title: { en: 'Log loss, live', de: 'Log-Loss, live' }, queries: one('skerry_serving_log_loss') },
      { title: { en: 'Drift', de: 'Drift' }, queries: one('skerry_serving_drift') },
      { title: { en: 'Calibration error', de: 'Kalibrierungsfehler' }, queries: one('skerry_serving_calibration_error') },
    ],
  },
  {
    id: 'chess',
    title: { en: 'Chess', de: 'Schach' },
    panels: [
      { title: { en: 'Games in the store', de: 'Gespeicherte Partien' }, queries: one('chs_games_stored', 'games') },
      { title: { en: 'Games imported per second', de: 'Importierte Partien je Sekunde' }, queries: one('sum(rate(chs_ingest_games_total[$window]))', 'games') },
      { title: { en: 'Moves per second', de: 'Züge je Sekunde' }, queries: one('sum(rate(chs_moves_total[$window]))', 'moves') },
      { title: { en: 'Strength in Elo', de: 'Stärke in Elo' }, queries: one('chs_engine_elo') },
    ],
  },
];
