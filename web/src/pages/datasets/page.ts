import { page } from '../../app/pages';

export default page({
  path: '/datasets',
  title: { en: 'Datasets', de: 'Datensätze' },
  icon: 'datasets',
  group: 'data',
  order: 10,
  keys: 'g d',
  load: () => import('./Datasets'),
  views: [
    { path: '/datasets/new', load: () => import('./New') },
    { path: '/datasets/:id', load: () => import('./Dataset') },
  ],
});
