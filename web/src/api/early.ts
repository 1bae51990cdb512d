/* What the first page needs is asked for while the files of the UI are still on their way: a file of its own, so small that it runs
 * before they have come. Nearly everybody arrives at the overview. Whoever asks for one of these addresses first takes its answer. */

interface Early {
  url: string; // exactly as the page asks (a test compares)
  also?: number; // a status that is an answer, too
}

const overview: Early[] = [
  { url: '/v1/status' },
  { url: '/v1/runs?limit=8' },
  { url: '/v1/models/active' },
  { url: '/v1/jobs?status=running&limit=20' },
  { url: '/v1/jobs?status=queued&limit=100' },
  { url: '/health/deps', also: 503 },
  { url: '/v1/serving' },
  { url: '/v1/doctor' },
];

export const early: Early[] = [{ url: '/v1/ui' }, ...(location.pathname === '/ui/' ? overview : [])];

const key = sessionStorage.getItem('skerry.key');
const headers: Record<string, string> = { Accept: 'application/json', ...(key && { 'X-Api-Key': key }) };
const answers = new Map(early.map(({ url }) => [url, fetch(url, { headers })]));
for (const answer of answers.values()) answer.catch(() => {}); // told to whoever takes it

export function takeEarly(url: string): Promise<Response> | undefined {
  const answer = answers.get(url);
  answers.delete(url);
  return answer;
}
