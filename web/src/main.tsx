/* Where the UI starts. */
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { Router } from 'wouter';
import { connection } from './api/connection';
import { early } from './api/early';
import { prime } from './api/useApi';
import { fetchFirst, Shell } from './app/Shell';
import './app/theme';
import './app.css';
import { LangProvider } from './i18n';

// So long the first page is waited for, and what it shows: drawn once with everything, it is there sooner than drawn three times.
const PATIENCE_MS = 100;

function start() {
  createRoot(document.getElementById('root')!).render(
    <StrictMode>
      <LangProvider>
        <Router base="/ui">
          <Shell />
        </Router>
      </LangProvider>
    </StrictMode>,
  );
  connection.start();
}

const all = Promise.all([fetchFirst(location.pathname.slice('/ui'.length)), ...early.map(({ url, also }) => prime(url, also))]);
void Promise.race([all, new Promise((late) => setTimeout(late, PATIENCE_MS))]).then(start);
