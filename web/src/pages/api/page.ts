import { page } from '../../app/pages';

const load = () => import('./Api');

export default page({
  path: '/api',
  title: { en: 'API', de: 'API' },
  icon: 'api',
  group: 'system',
  order: 10,
  keys: 'g a',
  load,
  views: [{ path: '/api/:operation', load }],
});
