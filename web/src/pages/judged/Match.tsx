/* One match: Elo with its interval, and the games that were played. */
import { useEffect, useState } from 'react';
import { useParams } from 'wouter';
import { request } from '../../api/client';
import { useApi } from '../../api/useApi';
import { jobOver } from '../../api/useJob';
import { useLang, useWords } from '../../i18n';
import { Live } from '../../start/Live';
import { Button, DataTable, download, ErrorState, Facts, Failure, formatNumber, LinkButton, Loading, Num, Page, Section, Status, type Column } from '../../ui';
import './types';
import { words } from './words';

interface Row {
  no: number;
  white: string;
  black: string;
  result: string;
  text: string;
}

/** The tags and the first moves of each game; whoever wants more takes the PGN. */
function rowsOf(pgn: string): Row[] {
  return pgn.split(/(?=\[Event )/).filter((g) => g.trim()).map((game, i) => {
    const tag = (name: string) => new RegExp(`\\[${name} "([^"]*)"\\]`).exec(game)?.[1] ?? '';
    return { no: i + 1, white: tag('White'), black: tag('Black'), result: tag('Result'), text: (game.split(/\n\s*\n/)[1] ?? '').replace(/\s+/g, ' ').slice(0, 160) };
  });
}

export default function Match() {
  const t = useWords(words);
  const { lang } = useLang();
  const { runId = '' } = useParams<{ runId: string }>();
  const asked = useApi('/v1/selfplay/{runId}', { path: { runId } as never }, { poll: 5000 });
  const [pgn, setPgn] = useState('');
  const m = asked.data;
  const uri = m?.status === 'succeeded' ? m.gamesUri : null;
  useEffect(() => {
    if (!uri) return;
    const controller = new AbortController();
    request(uri, { signal: controller.signal }).then((reply) => reply.text()).then(setPgn, () => {});
    return () => controller.abort();
  }, [uri]);
  const crumbs = [{ title: t('title'), href: '/judged?tab=matches' }];
  if (!m) return <Page title={t('matches')} crumbs={crumbs}>{asked.error ? <ErrorState error={asked.error} retry={asked.refetch} /> : <Loading />}</Page>;
  const whole = (n: number | null) => (n === null ? '–' : formatNumber(Math.round(n), lang));
  const columns: Column<Row>[] = [
    { id: 'no', title: '#', value: (r) => r.no, width: 60, align: 'right' },
    { id: 'white', title: t('white'), value: (r) => r.white, width: 180 },
    { id: 'black', title: t('black'), value: (r) => r.black, width: 180 },
    { id: 'result', title: t('result'), value: (r) => r.result, width: 100 },
    { id: 'moves', title: t('moves'), value: (r) => r.text, width: 400 },
  ];
  return (
    <Page title={m.result ? t('matchTitle', { a: m.result.candidate, b: m.result.baseline }) : t('matches')} crumbs={crumbs} actions={<><Status state={m.status} />{pgn && <Button icon="download" onClick={() => download(`${m.runId}.pgn`, 'application/x-chess-pgn', pgn)}>{t('pgn')}</Button>}<LinkButton icon="runs" href={`/runs/${m.runId}`}>{t('run')}</LinkButton></>}>
      <Failure of={m} />
      {!jobOver(m.status) && <Section title={t('goes')}><Live jobId={m.jobId} label={t('games')} onEnd={asked.refetch} /></Section>}
      <Section title={t('summary')}>
        <Facts
          of={[
            [t('elo'), whole(m.metrics.elo)],
            [t('interval'), `${whole(m.metrics.eloLow)} … ${whole(m.metrics.eloHigh)}`],
            [t('winRate'), <Num value={m.metrics.winRate} percent />],
            ...(m.result ? [[t('score'), `${m.result.wins}, ${m.result.draws}, ${m.result.losses}`] as [string, string]] : []),
            [t('games'), <Num value={m.progress.played} />],
          ]}
        />
      </Section>
      {pgn && <Section title={t('play')}><DataTable name="match.games" label={`${t('play')} (${t('table')})`} rows={rowsOf(pgn)} rowKey={(r) => String(r.no)} columns={columns} /></Section>}
    </Page>
  );
}
