import type { RawKeyRing } from '../../../src/signature/signed-content/index.ts';
import type { TestCertificate } from '../signatures/certificate-builder.ts';
import {
  bundleAttachment,
  bundleJson,
  encodeEnvelope,
  envelopeJson,
  envelopeRecord,
  envelopeRecordV2,
  hashedRecord,
  hashedRecordV2,
  type Json,
  type JsonMembers,
  type Recorded,
  signPayload,
  signStatement,
} from '../signatures/sigstore-builder.ts';
import { IMAGE, LOG, PAYLOAD, SIGNER, STATEMENT } from '../signatures/sigstore-cases.ts';
import type { Attachment, JudgedAttachment } from '../signatures/sigstore-signatures.ts';
import { type StampOptions, TestTimestampAuthority } from './timestamp-authority.ts';
import { type LoggedOptions, TestLog } from './transparency-log.ts';
import { type TrustedParts, trustedRootJson } from './trusted-root.ts';

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');

/** A log of Rekor's second version, beside `LOG`, which is of the first. */
export const SECOND_LOG = new TestLog('Ed25519', 'log2.example');
export const TSA = new TestTimestampAuthority();

/** The trusted root of these tests: both logs and the timestamp authority. */
export const TRUSTED: TrustedParts = { logs: [LOG, SECOND_LOG], timestampAuthorities: [TSA] };

export type EntryKind = 'hashedrekord' | 'dsse' | 'hashedrekord v2' | 'dsse v2';

const RECORDS: Readonly<Record<EntryKind, (recorded: Recorded) => JsonMembers>> = {
  hashedrekord: hashedRecord,
  dsse: envelopeRecord,
  'hashedrekord v2': hashedRecordV2,
  'dsse v2': envelopeRecordV2,
};

export interface EntryOptions extends LoggedOptions {
  readonly kind?: EntryKind;
  readonly log?: TestLog;
  /** Changes what the log is asked to record. */
  readonly recorded?: Partial<Recorded>;
  /** Changes the entry after it was made. */
  readonly change?: (entry: JsonMembers) => JsonMembers;
}

export interface Stamp extends StampOptions {
  readonly tsa?: TestTimestampAuthority;
  /** What the timestamp is for, in place of the signature. */
  readonly message?: Uint8Array;
  /** Changes the answer after it was made. */
  readonly change?: (raw: Buffer) => Buffer;
}

export interface TimedOptions {
  /** Whose key signs, in place of a key without a certificate. */
  readonly certificate?: TestCertificate;
  readonly entries?: readonly EntryOptions[];
  readonly stamps?: readonly Stamp[];
}

/** A bundle with these log entries and timestamps. */
export function timedBundle({ certificate, entries = [], stamps = [] }: TimedOptions): JsonMembers {
  const signer = certificate?.signer ?? SIGNER;
  const envelope = signStatement(signer, STATEMENT);
  const { signature, payload, payloadType } = envelope;
  const tlogEntries = entries.map((options) => {
    const { kind = 'dsse', log = kind.endsWith('v2') ? SECOND_LOG : LOG, change = (entry) => entry } = options;
    const recorded: Recorded = {
      signature,
      content: kind.startsWith('dsse') ? payload : encodeEnvelope(payloadType, payload),
      signer: { ...signer, publicKey: certificate?.pem ?? signer.publicKey },
      certificate: certificate?.raw,
      ...options.recorded,
    };
    return change(log.entry(RECORDS[kind](recorded), options));
  });
  const rfc3161Timestamps = stamps.map((stamp): Json => ({ signedTimestamp: base64(makeStamp(signature, stamp)) }));
  const { verificationMaterial, ...bundle } = bundleJson({ dsseEnvelope: envelopeJson(envelope) });
  return {
    ...bundle,
    verificationMaterial: {
      ...(certificate === undefined
        ? (verificationMaterial as JsonMembers)
        : { certificate: { rawBytes: base64(certificate.raw) } }),
      ...(tlogEntries.length === 0 ? {} : { tlogEntries }),
      ...(stamps.length === 0 ? {} : { timestampVerificationData: { rfc3161Timestamps } }),
    },
  };
}

export function makeStamp(signature: Uint8Array, options: Stamp): Buffer {
  const { tsa = TSA, message = signature, change = (raw) => raw, ...others } = options;
  return change(tsa.stamp(message, others));
}

/** A payload of cosign's first format with the annotations of these; it has one of each at most. */
export function timedPayload({ certificate, entries = [], stamps = [] }: TimedOptions): Attachment {
  const signer = certificate?.signer ?? SIGNER;
  const signed = signPayload(signer, PAYLOAD);
  const signature = Buffer.from(signed.annotations['dev.cosignproject.cosign/signature'] ?? '', 'base64');
  const logged = entries.slice(0, 1).map(({ log = LOG, integratedTime, recorded }): [string, string] => {
    const content = Buffer.from(signed.content);
    const known = { signature, content, signer: { ...signer, publicKey: certificate?.pem ?? signer.publicKey } };
    return ['dev.sigstore.cosign/bundle', log.annotation(hashedRecord({ ...known, ...recorded }), integratedTime)];
  });
  const stamped = stamps.slice(0, 1).map((stamp): [string, string] => {
    const SignedRFC3161Timestamp = base64(makeStamp(signature, stamp));
    return ['dev.sigstore.cosign/rfc3161timestamp', JSON.stringify({ SignedRFC3161Timestamp })];
  });
  const certified =
    certificate === undefined
      ? {}
      : { 'dev.sigstore.cosign/certificate': certificate.pem, 'dev.sigstore.cosign/chain': '' };
  return {
    ...signed,
    annotations: { ...signed.annotations, ...certified, ...Object.fromEntries([...logged, ...stamped]) },
  };
}

export function rootFile(root: Json | string): RawKeyRing {
  return { name: '/trusted_root.json', rawBytes: Buffer.from(typeof root === 'string' ? root : JSON.stringify(root)) };
}

/** Judges a signature by key, and by a trusted root with these parts. */
export function judgedByRoot(
  attachment: Attachment | JsonMembers,
  root: TrustedParts | RawKeyRing = TRUSTED,
): JudgedAttachment {
  return {
    image: IMAGE,
    attachment: isAttachment(attachment) ? attachment : bundleAttachment(attachment),
    keys: [SIGNER.publicKey],
    trustedRoot: 'rawBytes' in root ? root : rootFile(trustedRootJson(root)),
  };
}

function isAttachment(value: Attachment | JsonMembers): value is Attachment {
  return 'annotations' in value && 'content' in value;
}
