import { page } from '../../app/pages';

export default page({
  path: '/rps',
  title: { en: 'Rock, paper, scissors', de: 'Schere, Stein, Papier' },
  icon: 'rps',
  group: 'rps',
  order: 40,
  keys: 'g k',
  load: () => import('./Rps'),
  views: [{ path: '/rps/:gameId', load: () => import('./Game') }],
});
