import { createHash } from 'node:crypto';
import type { Json, JsonMembers, TestSigner } from '../signatures/sigstore-builder.ts';
import type { TestTimestampAuthority } from './timestamp-authority.ts';
import type { TestLog } from './transparency-log.ts';

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');

export const TRUSTED_ROOT_TYPE = 'application/vnd.dev.sigstore.trustedroot+json;version=0.1';
export const TRUSTED_ROOT_TYPE_02 = 'application/vnd.dev.sigstore.trustedroot.v0.2+json';

/** From when until when something counts in the trusted roots of tests. */
export const VALID_FOR: JsonMembers = { start: '2026-01-01T00:00:00Z', end: '2027-01-01T00:00:00Z' };

export interface TrustedParts {
  /** Each is a chain: what issues certificates first, and the root last. */
  readonly authorities?: readonly (readonly Uint8Array[])[];
  /** Keys of logs of certificates. */
  readonly ctLogs?: readonly TestSigner[];
  /** Logs of Rekor's first version; those with an Ed25519 key are of the second. */
  readonly logs?: readonly TestLog[];
  readonly timestampAuthorities?: readonly TestTimestampAuthority[];
}

/** Sigstore's trusted_root.json. */
export function trustedRootJson(parts: TrustedParts): JsonMembers {
  const { authorities = [], ctLogs = [], logs = [], timestampAuthorities = [] } = parts;
  return {
    mediaType: TRUSTED_ROOT_TYPE,
    tlogs: logs.map(trustedLog),
    certificateAuthorities: authorities.map((chain) => trustedAuthority(chain, 'https://fulcio.example')),
    ctlogs: ctLogs.map((signer) => logJson(signer, 'https://ctlog.example', sha256(signer.rawSpki))),
    timestampAuthorities: timestampAuthorities.map(({ chain }) => trustedAuthority(chain, 'https://tsa.example')),
  };
}

export function trustedLog(log: TestLog): JsonMembers {
  return logJson(log.signer, `https://${log.origin}`, log.signer.hash === null ? log.noteId : log.id);
}

const KEY_DETAILS: Readonly<Record<string, string>> = {
  ed25519: 'PKIX_ED25519',
  rsa: 'PKIX_RSA_PKCS1V15_2048_SHA256',
  prime256v1: 'PKIX_ECDSA_P256_SHA_256',
  secp384r1: 'PKIX_ECDSA_P384_SHA_384',
  secp521r1: 'PKIX_ECDSA_P521_SHA_512',
};

const sha256 = (bytes: Uint8Array): Buffer => createHash('sha256').update(bytes).digest();

function logJson({ privateKey, rawSpki }: TestSigner, baseUrl: string, id: Uint8Array): JsonMembers {
  const { asymmetricKeyType = '', asymmetricKeyDetails } = privateKey;
  const kind = asymmetricKeyDetails?.namedCurve ?? asymmetricKeyType;
  return {
    baseUrl,
    hashAlgorithm: 'SHA2_256',
    publicKey: { rawBytes: base64(rawSpki), keyDetails: KEY_DETAILS[kind] ?? kind, validFor: VALID_FOR },
    logId: { keyId: base64(id) },
  };
}

export function trustedAuthority(chain: readonly Uint8Array[], uri: string): JsonMembers {
  return {
    subject: { organization: 'sealift test', commonName: 'test' },
    uri,
    certChain: { certificates: chain.map((rawBytes): Json => ({ rawBytes: base64(rawBytes) })) },
    validFor: VALID_FOR,
  };
}
