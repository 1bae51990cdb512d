/* The installation: its settings, who may do what, who did what, how it is, what can be cleaned up. */
import { useWords } from '../../i18n';
import { Page, Tabs } from '../../ui';
import { Audit } from './Audit';
import { Doctor } from './Doctor';
import { Effective } from './Effective';
import { Keys } from './Keys';
import { Maintenance } from './Maintenance';
import { Preferences } from './Preferences';
import './types';
import { Users } from './Users';
import { words } from './words';

export default function Settings() {
  const t = useWords(words);
  return (
    <Page title={t('title')}>
      <Tabs
        label={t('title')}
        tabs={[
          { id: 'settings', title: t('settings'), needs: 'GET /v1/settings', render: () => <Effective /> },
          { id: 'keys', title: t('keys'), needs: 'GET /v1/keys', render: () => <Keys /> },
          { id: 'users', title: t('users'), needs: 'GET /v1/admin/users', render: () => <Users /> },
          { id: 'audit', title: t('audit'), needs: 'GET /v1/admin/audit', render: () => <Audit /> },
          { id: 'doctor', title: t('doctor'), render: () => <Doctor /> },
          { id: 'maintenance', title: t('maintenance'), needs: 'POST /v1/maintenance/gc', render: () => <Maintenance /> },
          { id: 'prefs', title: t('prefs'), render: () => <Preferences /> },
        ]}
      />
    </Page>
  );
}
