import { SealiftError } from '../../errors/index.ts';
import { type Certificate, isPem, type Refuse, readCertificate, readPemBlocks } from '../certificates/index.ts';
import type { RawKeyRing } from '../signed-content/index.ts';
import { requireBytesWithin, requireCountWithin } from './read-public-keys.ts';
import type { CertificateAuthority, ValidityWindow } from './trust-types.ts';
import type { SigstoreLimits } from './types.ts';

/** Authorities that are trusted together, and what may lead to them. */
export interface Authority {
  readonly anchors: readonly Certificate[];
  readonly intermediates: readonly Certificate[];
  readonly validFor: ValidityWindow;
}

/** Without a bound. */
const ALWAYS: ValidityWindow = Object.freeze({ start: undefined, end: undefined });

/**
 * Reads the authorities that a policy names. Each certificate in the files is one, and a path ends at the first of them
 * that it comes to, as in containers/image. Throws `POLICY_INVALID`.
 */
export function readAuthority(
  roots: readonly RawKeyRing[],
  intermediates: readonly RawKeyRing[],
  limits: SigstoreLimits,
): Authority {
  requireBytesWithin([...roots, ...intermediates], 'certificates', limits);
  const read = (files: readonly RawKeyRing[]) => files.flatMap((file) => readFile(file, limits));
  const authority = { anchors: read(roots), intermediates: read(intermediates), validFor: ALWAYS };
  requireCountWithin(authority.anchors.length + authority.intermediates.length, 'certificates', limits);
  return authority;
}

/** Reads the authorities of a trusted root: the last certificate of each is trusted. Throws `POLICY_INVALID`. */
export function readTrustedAuthority(
  { name, certificates, validFor }: CertificateAuthority,
  limits: SigstoreLimits,
): Authority {
  const read = certificates.map((raw) => readAuthorityCertificate(raw, limits, refuseFile(name)));
  return { anchors: read.slice(-1), intermediates: read.slice(0, -1), validFor };
}

/** Blocks of PEM, or one certificate in DER. */
function readFile({ name, rawBytes }: RawKeyRing, limits: SigstoreLimits): readonly Certificate[] {
  const refuse = refuseFile(name);
  const raw = isPem(rawBytes)
    ? readPemBlocks(Buffer.from(rawBytes).toString('latin1'), 'CERTIFICATE', refuse)
    : [rawBytes];
  return raw.map((each) => readAuthorityCertificate(each, limits, refuse));
}

function readAuthorityCertificate(raw: Uint8Array, limits: SigstoreLimits, refuse: Refuse): Certificate {
  const certificate = readCertificate(raw, { maxDepth: limits.maxDerDepth }, refuse);
  return certificate.isAuthority ? certificate : refuse('expected the certificate of an authority (CA:TRUE)');
}

function refuseFile(name: string): Refuse {
  return (what) => {
    throw new SealiftError('POLICY_INVALID', `policy: certificates ${name}: ${what}`, { context: { path: name } });
  };
}
