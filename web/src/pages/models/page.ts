import { page } from '../../app/pages';

export default page({
  path: '/models',
  title: { en: 'Models', de: 'Modelle' },
  icon: 'models',
  group: 'data',
  order: 20,
  keys: 'g m',
  load: () => import('./Models'),
  views: [{ path: '/models/:id', load: () => import('./Model') }],
});
