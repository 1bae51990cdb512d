/* All that the server does by itself or was asked to do: the queue, what comes by the clock, who works, what leaves. */
import { useWords } from '../../i18n';
import { Page, Tabs } from '../../ui';
import { Outbox } from './Outbox';
import { Queue } from './Queue';
import { Schedules } from './Schedules';
import './types';
import { Workers } from './Workers';
import { words } from './words';

export default function Jobs() {
  const t = useWords(words);
  return (
    <Page title={t('title')}>
      <Tabs
        label={t('title')}
        tabs={[
          { id: 'queue', title: t('queue'), render: () => <Queue /> },
          { id: 'schedules', title: t('schedules'), render: () => <Schedules /> },
          { id: 'workers', title: t('workers'), render: () => <Workers /> },
          { id: 'outbox', title: t('outbox'), needs: 'GET /v1/outbox', render: () => <Outbox /> },
        ]}
      />
    </Page>
  );
}
