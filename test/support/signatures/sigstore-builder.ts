import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import type { Attachment } from './sigstore-signatures.ts';

/** A key pair that a test makes, as cosign would sign with it. */
export interface TestSigner {
  readonly privateKey: KeyObject;
  /** PEM */
  readonly publicKey: string;
  /** DER */
  readonly rawSpki: Buffer;
  readonly hash: string | null;
}

export type Json = string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json };
export type JsonMembers = { readonly [name: string]: Json };

const PAIRS = {
  'P-256': () => generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  'P-384': () => generateKeyPairSync('ec', { namedCurve: 'P-384' }),
  'P-521': () => generateKeyPairSync('ec', { namedCurve: 'P-521' }),
  secp256k1: () => generateKeyPairSync('ec', { namedCurve: 'secp256k1' }),
  RSA: () => generateKeyPairSync('rsa', { modulusLength: 2048 }),
  'RSA-1024': () => generateKeyPairSync('rsa', { modulusLength: 1024 }),
  'RSA-PSS': () => generateKeyPairSync('rsa-pss', { modulusLength: 2048 }),
  Ed25519: () => generateKeyPairSync('ed25519'),
  Ed448: () => generateKeyPairSync('ed448'),
} as const;

export type TestKeyKind = keyof typeof PAIRS;

export function makeSigner(kind: TestKeyKind = 'P-256', hash: string | null = 'sha256'): TestSigner {
  const { privateKey, publicKey } = PAIRS[kind]();
  return {
    privateKey,
    publicKey: publicKey.export({ format: 'pem', type: 'spki' }).toString(),
    rawSpki: publicKey.export({ format: 'der', type: 'spki' }),
    hash: kind.startsWith('Ed') ? null : hash,
  };
}

export function signBytes({ privateKey, hash }: TestSigner, message: Uint8Array): Buffer {
  return sign(hash, message, privateKey);
}

const base64 = (bytes: Uint8Array | string): string => Buffer.from(bytes).toString('base64');
const sha256 = (...parts: readonly Uint8Array[]): Buffer => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
};

/** What a payload of cosign's first format says. */
export function payloadFor(digest: string, reference: string): JsonMembers {
  return {
    critical: {
      identity: { 'docker-reference': reference },
      image: { 'docker-manifest-digest': digest },
      type: 'cosign container image signature',
    },
    optional: null,
  };
}

/** The layer of a signature of cosign's first format. */
export function signPayload(
  signer: TestSigner,
  payload: Json | Buffer,
  others: Readonly<Record<string, string>> = {},
): Attachment {
  const content = Buffer.isBuffer(payload) ? payload.toString() : JSON.stringify(payload);
  const signature = base64(signBytes(signer, Buffer.from(content)));
  return {
    mediaType: 'application/vnd.dev.cosign.simplesigning.v1+json',
    annotations: { 'dev.cosignproject.cosign/signature': signature, ...others },
    content,
  };
}

/** What `cosign sign` says in a bundle. */
export function statementFor(digest: string, subject: JsonMembers = {}): JsonMembers {
  const [algorithm = '', hex = ''] = digest.split(':');
  return {
    _type: 'https://in-toto.io/Statement/v1',
    subject: [{ digest: { [algorithm]: hex }, ...subject }],
    predicateType: 'https://sigstore.dev/cosign/sign/v1',
    predicate: {},
  };
}

export interface Envelope {
  readonly payloadType: string;
  readonly payload: Buffer;
  readonly signature: Buffer;
}

export function signStatement(
  signer: TestSigner,
  statement: Json | Buffer,
  payloadType = 'application/vnd.in-toto+json',
): Envelope {
  const payload = Buffer.isBuffer(statement) ? statement : Buffer.from(JSON.stringify(statement));
  return { payloadType, payload, signature: signBytes(signer, encodeEnvelope(payloadType, payload)) };
}

/** The bytes that the signature of an envelope is for. */
export function encodeEnvelope(payloadType: string, payload: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`DSSEv1 ${payloadType.length} ${payloadType} ${payload.length} `), payload]);
}

export function envelopeJson({ payloadType, payload, signature }: Envelope): JsonMembers {
  return { payload: base64(payload), payloadType, signatures: [{ sig: base64(signature) }] };
}

export function bundleJson(
  content: JsonMembers,
  tlogEntries: readonly Json[] = [],
  mediaType = BUNDLE_MEDIA_TYPE,
): JsonMembers {
  return {
    mediaType,
    verificationMaterial: { publicKey: { hint: 'aGludA==' }, ...(tlogEntries.length === 0 ? {} : { tlogEntries }) },
    ...content,
  };
}

export const BUNDLE_MEDIA_TYPE = 'application/vnd.dev.sigstore.bundle.v0.3+json';

export function bundleAttachment(bundle: Json | string): Attachment {
  const content = typeof bundle === 'string' ? bundle : JSON.stringify(bundle);
  return { mediaType: BUNDLE_MEDIA_TYPE, annotations: {}, content };
}

/** A signature as a log is asked to record it. */
export interface Recorded {
  readonly signature: Uint8Array;
  readonly content: Uint8Array;
  readonly signer: TestSigner;
  /** In DER; Rekor's second version records it in place of the key. The first one has its PEM in `signer`. */
  readonly certificate?: Uint8Array | undefined;
}

/** The body of a `hashedrekord` of Rekor's first version. */
export function hashedRecord({ signature, content, signer }: Recorded): JsonMembers {
  return {
    apiVersion: '0.0.1',
    kind: 'hashedrekord',
    spec: {
      data: { hash: { algorithm: 'sha256', value: sha256(content).toString('hex') } },
      signature: { content: base64(signature), publicKey: { content: base64(signer.publicKey) } },
    },
  };
}

/** The body of a `dsse` of Rekor's first version; `content` is the payload. */
export function envelopeRecord({ signature, content, signer }: Recorded): JsonMembers {
  const hash = (bytes: Uint8Array) => ({ algorithm: 'sha256', value: sha256(bytes).toString('hex') });
  return {
    apiVersion: '0.0.1',
    kind: 'dsse',
    spec: {
      envelopeHash: hash(Buffer.from('how the envelope was written is not kept')),
      payloadHash: hash(content),
      signatures: [{ signature: base64(signature), verifier: base64(signer.publicKey) }],
    },
  };
}

/** The same two bodies of Rekor's second version. */
export function hashedRecordV2(recorded: Recorded): JsonMembers {
  return {
    apiVersion: '0.0.2',
    kind: 'hashedrekord',
    spec: {
      hashedRekordV002: {
        data: { algorithm: 'SHA2_256', digest: base64(sha256(recorded.content)) },
        signature: signatureV2(recorded),
      },
    },
  };
}

export function envelopeRecordV2(recorded: Recorded): JsonMembers {
  return {
    apiVersion: '0.0.2',
    kind: 'dsse',
    spec: {
      dsseV002: {
        payloadHash: { algorithm: 'SHA2_256', digest: base64(sha256(recorded.content)) },
        signatures: [signatureV2(recorded)],
      },
    },
  };
}

function signatureV2({ signature, signer, certificate }: Recorded): JsonMembers {
  const verifier =
    certificate === undefined
      ? { publicKey: { rawBytes: base64(signer.rawSpki) } }
      : { x509Certificate: { rawBytes: base64(certificate) } };
  return { content: base64(signature), verifier: { ...verifier, keyDetails: 'PKIX_ECDSA_P256_SHA_256' } };
}
