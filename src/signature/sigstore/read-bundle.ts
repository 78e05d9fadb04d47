import { refuseSignature } from '../signed-content/index.ts';
import { LOG_ENTRY_MEMBERS, type LogEntry, readLogEntry } from './read-log-entry.ts';
import { type ItemBound, readDocument, refuseBecause, type StrictObject } from './strict-object.ts';
import type { SigstoreLimits } from './types.ts';

/** The media type of a bundle → its version. Each version has two spellings at most. */
export const BUNDLE_VERSIONS: ReadonlyMap<string, BundleVersion> = new Map<string, BundleVersion>([
  ['application/vnd.dev.sigstore.bundle+json;version=0.1', '0.1'],
  ['application/vnd.dev.sigstore.bundle+json;version=0.2', '0.2'],
  ['application/vnd.dev.sigstore.bundle+json;version=0.3', '0.3'],
  ['application/vnd.dev.sigstore.bundle.v0.3+json', '0.3'],
]);

export type BundleVersion = '0.1' | '0.2' | '0.3';

/** A bundle as it was read. Nothing of it has been verified. */
export interface Bundle {
  readonly version: BundleVersion;
  /**
   * In DER, that of the author first; undefined if the bundle has the hint of a key instead, which is not looked at.
   */
  readonly certificates: readonly Uint8Array[] | undefined;
  readonly logEntries: readonly LogEntry[];
  /** RFC 3161 responses in DER. */
  readonly timestamps: readonly Uint8Array[];
  readonly content: BundleContent;
}

export type BundleContent =
  | {
      readonly kind: 'dsse';
      readonly payloadType: string;
      readonly untrustedPayload: Uint8Array;
      readonly signature: Uint8Array;
    }
  | {
      readonly kind: 'message';
      readonly digest: { readonly algorithm: string; readonly value: Uint8Array };
      readonly signature: Uint8Array;
    };

const DOCUMENT = { isNot: 'it is no bundle of Sigstore', refuse: refuseBecause('malformed') };
const MATERIALS = ['publicKey', 'x509CertificateChain', 'certificate'];

/**
 * Reads a bundle of version 0.1, 0.2 or 0.3: ProtoJSON in the spelling that Sigstore's own tools write. Unknown members
 * and `null` are refused, although readers of ProtoJSON may accept them. Throws `SIGNATURE_REFUSED`, also for what
 * exceeds the limits, before anything is verified.
 * https://github.com/sigstore/protobuf-specs/blob/v0.5.0/protos/sigstore_bundle.proto
 */
export function readBundle(raw: Uint8Array, limits: SigstoreLimits): Bundle {
  const members = ['mediaType', 'verificationMaterial', 'messageSignature', 'dsseEnvelope'];
  const document = readDocument(raw, DOCUMENT, members);
  const version = BUNDLE_VERSIONS.get(document.text('mediaType'));
  if (version === undefined) return document.refuse('mediaType', 'expected version 0.1, 0.2 or 0.3 of a bundle');
  const others = ['tlogEntries', 'timestampVerificationData'];
  const material = document.object('verificationMaterial', [...MATERIALS, ...others]);
  const within = (limit: ItemBound['limit']): ItemBound => ({ limits, limit });
  // All counts come first.
  const entries = material.objects('tlogEntries', LOG_ENTRY_MEMBERS, within('maxBundleLogEntries'));
  const timestamps = readTimestamps(material, within('maxBundleTimestamps'));
  return {
    version,
    certificates: readMaterial(material, within('maxBundleCertificates')),
    logEntries: readLogEntries(entries, limits),
    timestamps,
    content: readContent(document),
  };
}

/** Sigstore's own verifiers have counted one log twice (GHSA-9vcr-p3rj-q5q6). */
function readLogEntries(entries: readonly StrictObject[], limits: SigstoreLimits): readonly LogEntry[] {
  const read = entries.map((entry) => readLogEntry(entry, limits));
  const names = read.map(({ logId, logIndex }) => `${Buffer.from(logId).toString('hex')} ${logIndex}`);
  if (new Set(names).size !== names.length) refuseSignature('log', 'it has one log entry twice');
  return read;
}

function readTimestamps(material: StrictObject, bound: ItemBound): readonly Uint8Array[] {
  const data = material.objectIfPresent('timestampVerificationData', ['rfc3161Timestamps']);
  const items = data?.objects('rfc3161Timestamps', ['signedTimestamp'], bound) ?? [];
  const timestamps = items.map((item) => item.bytes('signedTimestamp'));
  const distinct = new Set(timestamps.map((each) => each.toString('base64')));
  return distinct.size === timestamps.length ? timestamps : refuseSignature('timestamp', 'it has one timestamp twice');
}

function readMaterial(material: StrictObject, bound: ItemBound): Bundle['certificates'] {
  if (MATERIALS.filter((name) => material.has(name)).length !== 1) {
    material.refuse(MATERIALS[0] ?? '', 'expected either it, or a certificate, or a chain of certificates');
  }
  const chain = material.objectIfPresent('x509CertificateChain', ['certificates']);
  const certificates = chain?.objects('certificates', ['rawBytes'], bound) ?? [];
  const single = material.objectIfPresent('certificate', ['rawBytes']);
  const key = material.objectIfPresent('publicKey', ['hint']);
  key?.textOrEmpty('hint');
  const all = [...certificates, ...(single === undefined ? [] : [single])].map((each) => each.bytes('rawBytes'));
  return key === undefined ? all : undefined;
}

function readContent(document: StrictObject): BundleContent {
  if (document.has('messageSignature') === document.has('dsseEnvelope')) {
    document.refuse('dsseEnvelope', 'expected either it or "messageSignature"');
  }
  const envelope = document.objectIfPresent('dsseEnvelope', ['payload', 'payloadType', 'signatures']);
  if (envelope !== undefined) return readEnvelope(envelope);
  const message = document.object('messageSignature', ['messageDigest', 'signature']);
  const digest = message.object('messageDigest', ['algorithm', 'digest']);
  return {
    kind: 'message',
    digest: { algorithm: digest.text('algorithm'), value: digest.bytes('digest') },
    signature: message.bytes('signature'),
  };
}

/** Bundles have one signature in their envelope, although DSSE allows several. */
function readEnvelope(envelope: StrictObject): BundleContent {
  const [signature, ...others] = envelope.objects('signatures', ['sig', 'keyid']);
  if (signature === undefined || others.length > 0) return envelope.refuse('signatures', 'expected one');
  signature.textOrEmpty('keyid');
  return {
    kind: 'dsse',
    payloadType: envelope.text('payloadType'),
    untrustedPayload: envelope.bytes('payload'),
    signature: signature.bytes('sig'),
  };
}
