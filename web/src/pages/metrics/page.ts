import { page } from '../../app/pages';

export default page({
  path: '/metrics',
  title: { en: 'Metrics', de: 'Metriken' },
  icon: 'metrics',
  group: 'system',
  order: 1,
  keys: 'g t',
  load: () => import('./Metrics'),
});
