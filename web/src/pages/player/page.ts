import { page } from '../../app/pages';

export default page({
  path: '/player',
  title: { en: 'Player', de: 'Spieler' },
  icon: 'player',
  group: 'chess',
  order: 22,
  load: () => import('./Player'),
});
