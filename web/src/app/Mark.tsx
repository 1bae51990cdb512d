/* The mark: a light on a rock in the sea. The same drawing as mark.svg, in the colours of the theme. */
export function Mark({ size = 26 }: { size?: number }) {
  return (
    <svg viewBox="0 0 32 32" width={size} height={size} aria-hidden focusable="false">
      <path d="M17.5 9 30 5v8z" fill="var(--lamp)" opacity=".8" />
      <path d="M14.5 9 2 5v8z" fill="var(--lamp)" opacity=".3" />
      <path d="M13.2 7.2h5.6v3.6h-5.6z" fill="var(--lamp)" />
      <path d="M12.2 7.2 16 3.4l3.800 3.800z" fill="var(--text)" />
      <path d="m13.4 11.6-1.700 11h8.600l-1.700-11z" fill="var(--text)" />
      <path d="m12.8 15.4-.6 3.800h7.600l-.6-3.800z" fill="var(--bad)" />
      <path d="M5 25.400c2.600-2.900 4.400-2.400 6.700-2.800h8.600c2.300.4 4.100-.1 6.700 2.800z" fill="var(--edge)" />
      <path d="M3 28c2.200-1.500 4.300-1.500 6.500 0s4.300 1.500 6.500 0 4.300-1.500 6.500 0 4.300 1.500 6.500 0" fill="none" stroke="var(--accent)" strokeWidth="1.800" strokeLinecap="round" />
    </svg>
  );
}
