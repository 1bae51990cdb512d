import { page } from '../../app/pages';

export default page({
  path: '/settings',
  title: { en: 'Settings', de: 'Einstellungen' },
  icon: 'settings',
  group: 'system',
  order: 9,
  keys: 'g s',
  load: () => import('./Settings'),
});
