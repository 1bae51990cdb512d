import { page } from '../../app/pages';

export default page({
  path: '/logs',
  title: { en: 'Logs', de: 'Protokoll' },
  icon: 'logs',
  group: 'system',
  order: 2,
  keys: 'g l',
  load: () => import('./Logs'),
});
