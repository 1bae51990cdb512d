/* What is pressed: Button, IconButton, CopyButton, and LinkButton, which looks like one and goes somewhere. */
import { useEffect, useId, useState, type ButtonHTMLAttributes, type MouseEvent, type ReactNode } from 'react';
import { Link } from 'wouter';
import { useDenied, type Needs } from '../api/access';
import { hasPage } from '../app/pages';
import { useWords } from '../i18n';
import { words } from '../i18n/words';
import { Icon, type IconName } from './icons';
import { toast } from './toast';

type Look = 'primary' | 'plain' | 'quiet' | 'danger';

const base =
  'inline-flex items-center justify-center gap-1.5 rounded-md px-2.5 min-h-8 font-medium whitespace-nowrap disabled:opacity-50 disabled:cursor-not-allowed aria-disabled:opacity-50 aria-disabled:cursor-not-allowed no-underline transition-colors';
const looks: Record<Look, string> = {
  primary: 'bg-accent text-on-accent hover:brightness-110',
  plain: 'bg-surface border border-edge text-text hover:bg-raised',
  quiet: 'text-muted hover:text-text hover:bg-raised',
  danger: 'bg-surface border border-bad text-bad hover:bg-raised',
};

interface Look_ {
  look?: Look;
  icon?: IconName;
}

/** What a button becomes that calls what we may not: it can be reached, says why, and does nothing else. */
function useHeldBack(needs: Needs | undefined) {
  const denied = useDenied(needs);
  const id = useId();
  if (!denied) return null;
  const held = {
    'aria-disabled': true,
    'aria-describedby': id,
    title: denied.why,
    // On a phone there is no tooltip. Nor is a form sent by Enter.
    onClick: (event: MouseEvent) => {
      event.preventDefault();
      toast.bad(denied.why);
    },
  } as const;
  return { held, reason: <span id={id} hidden>{denied.why}</span> };
}

export function Button({ look = 'plain', icon, busy, needs, children, className = '', ...rest }: Look_ & { busy?: boolean; needs?: Needs } & ButtonHTMLAttributes<HTMLButtonElement>) {
  const back = useHeldBack(needs);
  return (
    <button type="button" {...rest} disabled={!back && (rest.disabled || busy)} aria-busy={busy || undefined} {...back?.held} className={`${base} ${looks[look]} ${className}`}>
      {busy ? <Spinner /> : icon && <Icon name={icon} />}
      {children}
      {back?.reason}
    </button>
  );
}

/** Only an icon to see; `label` is its name for everybody else, and its tooltip. */
export function IconButton({ icon, label, needs, className = '', ...rest }: { icon: IconName; label: string; needs?: Needs } & ButtonHTMLAttributes<HTMLButtonElement>) {
  const back = useHeldBack(needs);
  return (
    <button type="button" title={label} aria-label={label} {...rest} {...back?.held} className={`inline-grid place-items-center size-8 rounded-md text-muted hover:text-text hover:bg-raised disabled:opacity-50 aria-disabled:opacity-50 aria-disabled:cursor-not-allowed ${className}`}>
      <Icon name={icon} />
      {back?.reason}
    </button>
  );
}

/** Nothing where it would lead to a page that this build does not have. `needs` is the call that one goes there for. */
export function LinkButton({ look = 'plain', icon, href, needs, children, className = '' }: Look_ & { href: string; needs?: Needs; children: ReactNode; className?: string }) {
  const denied = useDenied(needs);
  if (!hasPage(href)) return null;
  if (denied) return <Button {...{ look, icon, needs, className }}>{children}</Button>;
  return (
    <Link href={href} className={`${base} ${looks[look]} ${className}`}>
      {icon && <Icon name={icon} />}
      {children}
    </Link>
  );
}

/** A link inside of a text; only the text where this build does not have the page. */
export function TextLink({ href, label, children, className = '' }: { href: string; label?: string; children: ReactNode; className?: string }) {
  if (!hasPage(href)) return <>{children}</>;
  return <Link href={href} aria-label={label} className={`text-accent underline underline-offset-2 ${className}`}>{children}</Link>;
}

/** Copies a text; `text` may be a function that makes it when it is wanted. */
export function CopyButton({ text, label, look = 'quiet' }: { text: string | (() => string); label?: string; look?: Look }) {
  const t = useWords(words);
  const [done, setDone] = useState(false);
  useEffect(() => {
    if (!done) return;
    const timer = setTimeout(() => setDone(false), 4000);
    return () => clearTimeout(timer);
  }, [done]);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(typeof text === 'string' ? text : text());
      setDone(true);
    } catch {
      toast.bad(t('copyFailed'));
    }
  };
  return (
    <Button look={look} icon={done ? 'check' : 'copy'} onClick={() => void copy()}>
      <span aria-live="polite">{done ? t('copied') : (label ?? t('copy'))}</span>
    </Button>
  );
}

export function Spinner({ label }: { label?: string }) {
  return (
    <span role={label ? 'status' : undefined} className="inline-flex items-center gap-2 text-muted">
      <svg viewBox="0 0 24 24" width={16} height={16} className="animate-[turning_0.8s_linear_infinite]" aria-hidden>
        <circle cx="12" cy="12" r="9" fill="none" stroke="currentColor" strokeWidth="3" opacity="0.25" />
        <path d="M21 12a9 9 0 0 0-9-9" fill="none" stroke="currentColor" strokeWidth="3" strokeLinecap="round" />
      </svg>
      {label}
    </span>
  );
}
