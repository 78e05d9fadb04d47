import type { Usability } from '../platform/index.ts';
import type { Check, CheckStatus } from './types.ts';

export function ok(name: string, detail: string): Check {
  return { name, status: 'ok', detail, remedy: undefined };
}

export function skipped(name: string): Check {
  return { name, status: 'skipped', detail: 'needs root', remedy: undefined };
}

export function judge(
  name: string,
  usability: Usability,
  otherwise: CheckStatus,
  words: { readonly usable: string; readonly remedy: string },
): Check {
  if (usability === 'usable') return ok(name, words.usable);
  return { name, status: otherwise, detail: usability.unusable, remedy: words.remedy };
}
