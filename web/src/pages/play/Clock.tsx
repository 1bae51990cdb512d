/* A side's clock. The server says what is left; between its answers the side to move counts down here. */
import { useEffect, useState } from 'react';

const TICK_MS = 100;
const SHORT_MS = 20000;

export function formatClock(ms: number): string {
  const whole = Math.max(0, ms);
  const seconds = Math.floor(whole / 1000);
  const two = (n: number) => String(n).padStart(2, '0');
  const text = seconds >= 3600 ? `${Math.floor(seconds / 3600)}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}` : `${Math.floor(seconds / 60)}:${two(seconds % 60)}`;
  return whole < SHORT_MS ? `${text}.${Math.floor(whole / 100) % 10}` : text;
}

export function Clock({ ms, since, runs, label, onUp }: { ms: number; since: number; runs: boolean; label: string; onUp?: () => void }) {
  const [now, setNow] = useState(since);
  const left = runs ? ms - Math.max(0, now - since) : ms;
  useEffect(() => {
    if (!runs) return;
    setNow(Date.now());
    const timer = setInterval(() => setNow(Date.now()), TICK_MS);
    return () => clearInterval(timer);
  }, [runs, since]);
  const isUp = runs && left <= 0;
  useEffect(() => {
    if (isUp) onUp?.();
    // Once for each time that it runs out.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [isUp]);
  return (
    <span role="timer" aria-live="off" aria-label={label} data-ms={Math.max(0, Math.round(left))} className={`font-mono text-lg px-2 rounded-md border ${runs ? (left < SHORT_MS ? 'border-bad text-bad font-semibold' : 'border-accent font-semibold') : 'border-line text-muted'}`}>
      {formatClock(left)}
    </span>
  );
}
