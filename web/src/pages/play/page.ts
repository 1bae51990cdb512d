import { page } from '../../app/pages';

export default page({
  path: '/play',
  title: { en: 'Play chess', de: 'Schach spielen' },
  icon: 'chess',
  group: 'chess',
  order: 20,
  keys: 'g p',
  load: () => import('./Start'),
  views: [{ path: '/play/:gameId', load: () => import('./Game') }],
});
