import { page } from '../../app/pages';

export default page({
  path: '/games',
  title: { en: 'Games', de: 'Partien' },
  icon: 'games',
  group: 'chess',
  order: 21,
  keys: 'g c',
  load: () => import('./List'),
  views: [{ path: '/games/:gameId', load: () => import('./Viewer') }],
});
