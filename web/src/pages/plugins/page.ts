import { page } from '../../app/pages';

export default page({
  path: '/plugins',
  title: { en: 'Plugins', de: 'Plugins' },
  icon: 'plugins',
  group: 'chess',
  order: 24,
  keys: 'g u',
  load: () => import('./Plugins'),
  views: [{ path: '/plugins/:name', load: () => import('./Results') }],
});
