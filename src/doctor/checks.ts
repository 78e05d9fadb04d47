import type { Usability } from '../platform/index.ts';
import type { Check, CheckStatus } from './types.ts';

export function ok(name: string, detail: string): Check {
  return { name, status: 'ok', detail, remedy: undefined };
}

export function skipped(name: string): Check {
  return { name, status: 'skipped', detail: 'needs root', remedy: undefined };
}

export interface UsabilityCheck {
  /** The detail when it is usable. */
  readonly usable: string;
  /** The status when it is not. */
  readonly otherwise: CheckStatus;
  readonly remedy: string;
}

/** Makes a check of whether something could be used when it was tried. */
export function judge(name: string, usability: Usability, { usable, otherwise, remedy }: UsabilityCheck): Check {
  if (usability === 'usable') return ok(name, usable);
  return { name, status: otherwise, detail: usability.unusable, remedy };
}
