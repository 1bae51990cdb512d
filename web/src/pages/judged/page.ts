import { page } from '../../app/pages';

export default page({
  path: '/judged',
  title: { en: 'Evaluations', de: 'Bewertungen' },
  icon: 'trophy',
  group: 'chess',
  order: 23,
  load: () => import('./Judged'),
  views: [
    { path: '/judged/new', load: () => import('./NewEvaluation') },
    { path: '/judged/matches/new', load: () => import('./NewMatch') },
    { path: '/judged/matches/:runId', load: () => import('./Match') },
    { path: '/judged/:runId', load: () => import('./Evaluation') },
  ],
});
