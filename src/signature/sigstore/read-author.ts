import { SealiftError } from '../../errors/index.ts';
import type { VerificationKey } from '../certificates/index.ts';
import type { FulcioIdentity, PkiSubject } from '../policy/index.ts';
import { type Authority, readAuthority, readTrustedAuthority } from './read-authorities.ts';
import { readPublicKeys } from './read-public-keys.ts';
import type { TrustedLog, TrustedRoot } from './trust-types.ts';
import type { RawAuthor, SigstoreLimits } from './types.ts';

/** What has to have made a signature, read and found good. */
export type Author = { readonly kind: 'keys'; readonly keys: readonly VerificationKey[] } | CertificateAuthor;

/** What a requirement trusts, read and found good. */
export interface Trust extends Pick<TrustedRoot, 'logs' | 'timestampAuthorities'> {
  readonly author: Author;
}

/** A key with a certificate by one of these authorities. */
export type CertificateAuthor = FulcioAuthor | PkiAuthor;

export interface FulcioAuthor {
  readonly kind: 'fulcio';
  readonly authorities: readonly Authority[];
  /** If there is one, a certificate needs an SCT. */
  readonly ctLogs: readonly TrustedLog[];
  readonly identity: FulcioIdentity;
}

export interface PkiAuthor {
  readonly kind: 'pki';
  readonly authorities: readonly Authority[];
  readonly subject: PkiSubject;
}

/** Reads what a requirement names. Throws `POLICY_INVALID`. */
export function readAuthor(raw: RawAuthor, root: TrustedRoot | undefined, limits: SigstoreLimits): Author {
  switch (raw.kind) {
    case 'keys':
      return { kind: 'keys', keys: readPublicKeys(raw.keys, limits) };
    case 'fulcio': {
      const authorities = raw.ca === undefined ? readAuthoritiesOf(root, limits) : [readAuthority(raw.ca, [], limits)];
      return { kind: 'fulcio', authorities, ctLogs: root?.ctLogs ?? [], identity: raw.identity };
    }
    case 'pki':
      return {
        kind: 'pki',
        authorities: [readAuthority(raw.roots, raw.intermediates, limits)],
        subject: raw.subject,
      };
  }
}

/** Throws `POLICY_INVALID` for a trusted root that names none. */
export function readAuthoritiesOf(root: TrustedRoot | undefined, limits: SigstoreLimits): readonly Authority[] {
  const authorities = root?.certificateAuthorities ?? [];
  if (authorities.length > 0) return authorities.map((authority) => readTrustedAuthority(authority, limits));
  throw new SealiftError('POLICY_INVALID', 'policy: trusted root: expected at least one certificate authority');
}
