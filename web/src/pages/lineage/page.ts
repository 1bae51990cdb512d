import { page } from '../../app/pages';

export default page({
  path: '/lineage',
  title: { en: 'Lineage', de: 'Herkunft' },
  icon: 'lineage',
  group: 'data',
  order: 30,
  keys: 'g h',
  load: () => import('./Start'),
  views: [{ path: '/lineage/:id', load: () => import('./Lineage') }],
});
