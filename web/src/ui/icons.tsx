/* Icons: strokes on a 24 by 24 grid, drawn for this UI. They say nothing to screen readers; the words beside them do. */
import type { SVGProps } from 'react';

const shapes = {
  overview: 'M4 13h6V4H4zM14 20h6v-9h-6zM4 20h6v-3H4zM14 7h6V4h-6z',
  runs: 'M4 19V5M4 19h16M8 15l3.5-5 3 3L20 7',
  models: 'M12 3 4 7.5v9L12 21l8-4.500v-9zM4 7.500l8 4.500 8-4.500M12 12v9',
  datasets: 'M4 6c0-1.700 3.600-3 8-3s8 1.300 8 3-3.600 3-8 3-8-1.300-8-3zM4 6v12c0 1.700 3.600 3 8 3s8-1.300 8-3V6M4 12c0 1.700 3.600 3 8 3s8-1.300 8-3',
  lineage: 'M6 8.500a2.500 2.500 0 1 0 0-5 2.500 2.500 0 0 0 0 5zM18 14.500a2.500 2.500 0 1 0 0-5 2.500 2.500 0 0 0 0 5zM6 20.500a2.500 2.500 0 1 0 0-5 2.500 2.500 0 0 0 0 5zM8.500 6c4 0 3.500 6 7 6M8.500 18c4 0 3.500-6 7-6',
  jobs: 'M5 4h14v5H5zM5 15h14v5H5zM12 9v6',
  logs: 'M5 6h14M5 10h10M5 14h14M5 18h7',
  metrics: 'M4 20V10M10 20V4M16 20v-7M21 20H3',
  plugins: 'M9 3v4M15 3v4M6 7h12v5a6 6 0 0 1-12 0zM12 18v3',
  settings: 'M4 7h9M17 7h3M4 17h3M11 17h9M15 9.500a2.500 2.500 0 1 0 0-5 2.500 2.500 0 0 0 0 5zM9 19.500a2.500 2.500 0 1 0 0-5 2.500 2.500 0 0 0 0 5z',
  api: 'M8 7l-5 5 5 5M16 7l5 5-5 5M13.500 5l-3 14',
  chess: 'M8 20h9M9 17c0-4 3-5 3-8l-3 1.500L7 9l4-5 1.500-1.500L13 5c3 1 4 4 4 8v4zM9 17h8',
  games: 'M4 5h16v14H4zM4 12h16M12 5v14',
  player: 'M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM4.500 20c.8-4 4-6 7.500-6s6.700 2 7.500 6',
  rps: 'M8 12V6.500a1.500 1.500 0 0 1 3 0V11M11 11V5a1.500 1.500 0 0 1 3 0v6M14 11V7a1.500 1.500 0 0 1 3 0v7c0 4-2 6.500-5.500 6.500S6 18 5 14.500L4.500 12a1.400 1.400 0 0 1 2.700-.800L8 13',
  trophy: 'M8 4h8v6a4 4 0 0 1-8 0zM8 5H4v2a4 4 0 0 0 4 4M16 5h4v2a4 4 0 0 1-4 4M12 14v4M8 20h8',
  play: 'M8 5v14l11-7z',
  pause: 'M8 5v14M16 5v14',
  stop: 'M6 6h12v12H6z',
  retry: 'M20 11a8 8 0 1 0-2 6M20 4v7h-7',
  sun: 'M12 16a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM12 2v3M12 19v3M2 12h3M19 12h3M5 5l2 2M17 17l2 2M5 19l2-2M17 7l2-2',
  moon: 'M20 14A8.500 8.500 0 1 1 10 4a7 7 0 0 0 10 10z',
  screen: 'M3 5h18v11H3zM9 20h6M12 16v4',
  menu: 'M4 6h16M4 12h16M4 18h16',
  close: 'M6 6l12 12M18 6 6 18',
  check: 'M5 12.500l4.500 4.500L19 7',
  copy: 'M9 9h11v11H9zM15 9V4H4v11h5',
  download: 'M12 4v11M7 11l5 5 5-5M5 20h14',
  upload: 'M12 16V5M7 9l5-5 5 5M5 20h14',
  more: 'M11 5a1 1 0 1 0 2 0a1 1 0 1 0-2 0M11 12a1 1 0 1 0 2 0a1 1 0 1 0-2 0M11 19a1 1 0 1 0 2 0a1 1 0 1 0-2 0',
  columns: 'M4 5h16v14H4zM10 5v14M15 5v14',
  search: 'M11 18a7 7 0 1 0 0-14 7 7 0 0 0 0 14zM16 16l5 5',
  down: 'M6 9l6 6 6-6',
  up: 'M6 15l6-6 6 6',
  right: 'M9 6l6 6-6 6',
  left: 'M15 6l-6 6 6 6',
  first: 'M12 6l-6 6 6 6M18 6l-6 6 6 6',
  last: 'M6 6l6 6-6 6M12 6l6 6-6 6',
  external: 'M14 4h6v6M20 4l-9 9M18 13v6H5V6h6',
  alert: 'M12 4 2.500 20h19zM12 10v4.500M12 17.500v.100',
  help: 'M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM9.500 9.500a2.500 2.500 0 1 1 3.500 2.300c-.700.300-1 .800-1 1.700M12 16.500v.100',
  info: 'M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM12 11v5.500M12 7.500v.100',
  key: 'M14.500 13a4.500 4.500 0 1 0-4.200-3L3 17v4h4v-3h3v-3h2l1-2z',
  plus: 'M12 5v14M5 12h14',
  trash: 'M4 7h16M9 7V4h6v3M6 7l1 13h10l1-13',
  pin: 'M9 3h6l-1 6 4 4H6l4-4zM12 13v8',
} as const;

export type IconName = keyof typeof shapes;

export function Icon({ name, size = 16, ...rest }: { name: IconName; size?: number } & SVGProps<SVGSVGElement>) {
  return (
    <svg viewBox="0 0 24 24" width={size} height={size} fill="none" stroke="currentColor" strokeWidth={1.8} strokeLinecap="round" strokeLinejoin="round" aria-hidden focusable="false" {...rest}>
      <path d={shapes[name]} />
    </svg>
  );
}
