import { type ErrorContext, SealiftError } from '../../errors/index.ts';
import type { RefusalReason, RefusedSignature } from './types.ts';

/** Says that one signature does not count, and why. `remedy` is what to change in the policy, if that would help. */
export class SignatureRefusal extends SealiftError {
  readonly reason: RefusalReason;
  readonly remedy: string | undefined;

  constructor(
    reason: RefusalReason,
    text: string,
    options: { readonly remedy?: string; readonly cause?: unknown; readonly context?: ErrorContext } = {},
  ) {
    super('SIGNATURE_REFUSED', onOneLine(text), { context: { reason, ...options.context }, cause: options.cause });
    this.reason = reason;
    this.remedy = options.remedy ?? REMEDIES[reason];
  }
}

/** What to do about reasons that have one remedy, whatever the signature says. docs/policy.md has the others. */
const REMEDIES: Partial<Record<RefusalReason, string>> = {
  'key-expired':
    'extend the key (gpg --quick-set-expire) and put its new export into the policy; the signature can stay',
  'key-revoked': 'sign the image with another key, and put that key into the policy',
  'signature-expired': 'sign the image again',
  'signature-from-future': 'set the clock of the guest, or of the machine that signs',
  'weak-hash': 'sign the image again, with "digest-algo SHA256" in gpg.conf',
  'certificate-path':
    'if you trust the authority that issued the certificate, add it to the policy (caPath, caRootsPath or the trusted root)',
};

export function refuseSignature(reason: RefusalReason, text: string): never {
  throw new SignatureRefusal(reason, text);
}

const MAX_TEXT = 2000;

/** A text may quote what others wrote, before and after its author is known: no control characters, and not without end. */
function onOneLine(text: string): string {
  const shown = text.replace(/[\p{C}\u2028\u2029]/gu, '?');
  return shown.length <= MAX_TEXT ? shown : `${shown.slice(0, MAX_TEXT)}…`;
}

const MAX_SHOWN = 200;

/** Attacker-controlled text as it may be printed: on one line, and not longer than a line or two. */
export function printable(text: string): string {
  const shown = text.replace(/[^ -~]/g, '?');
  return shown.length <= MAX_SHOWN ? shown : `${shown.slice(0, MAX_SHOWN)}…`;
}

/** The same for an error of a library, which may quote what it read. */
export function printableReason(error: unknown): string {
  return printable(error instanceof Error ? error.message : String(error));
}

/**
 * Returns the verdict that an error of a check stands for; `signer`: the author, if that is known by then. Throws the error
 * again when it is not about the signature.
 */
export function refusalOf<Signer = never>(error: unknown, signer?: Signer): RefusedSignature<Signer> {
  if (!(error instanceof SignatureRefusal)) throw error;
  const { reason, message: text, remedy } = error;
  return { kind: 'refused', reason, text, remedy, ...(signer === undefined ? {} : { signer }) };
}
