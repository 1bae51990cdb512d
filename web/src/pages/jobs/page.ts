import { page } from '../../app/pages';

export default page({
  path: '/jobs',
  title: { en: 'Jobs', de: 'Aufträge' },
  icon: 'jobs',
  group: 'system',
  order: 0,
  keys: 'g j',
  load: () => import('./Jobs'),
  views: [{ path: '/jobs/:id', load: () => import('./Job') }],
});
