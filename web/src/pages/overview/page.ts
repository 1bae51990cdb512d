import { page } from '../../app/pages';

export default page({
  path: '/',
  title: { en: 'Overview', de: 'Übersicht' },
  icon: 'overview',
  group: 'see',
  order: 0,
  keys: 'g o',
  load: () => import('./Overview'),
});
