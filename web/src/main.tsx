/* Where the UI starts. */
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { Router } from 'wouter';
import { connection } from './api/connection';
import { fetchFirst, Shell } from './app/Shell';
import './app/theme';
import './app.css';
import { LangProvider } from './i18n';

connection.start();
fetchFirst(location.pathname.slice('/ui'.length));
createRoot(document.getElementById('root')!).render(
  <StrictMode>
    <LangProvider>
      <Router base="/ui">
        <Shell />
      </Router>
    </LangProvider>
  </StrictMode>,
);
