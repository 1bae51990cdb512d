import { page } from '../../app/pages';

export default page({
  path: '/runs',
  title: { en: 'Runs', de: 'Läufe' },
  icon: 'runs',
  group: 'see',
  order: 1,
  keys: 'g r',
  load: () => import('./Runs'),
  views: [
    { path: '/runs/new', load: () => import('./Train') },
    { path: '/runs/compare', load: () => import('./Compare') },
    { path: '/runs/:runId', load: () => import('./Run') },
  ],
});
