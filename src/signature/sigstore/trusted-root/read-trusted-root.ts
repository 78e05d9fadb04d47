import { SealiftError } from '../../../errors/index.ts';
import { isPem, type Refuse, readCertificate } from '../../certificates/index.ts';
import type { RawKeyRing } from '../../signed-content/index.ts';
import { requireBytesWithin } from '../read-public-keys.ts';
import { type Document, readDocument, type StrictObject } from '../strict-object.ts';
import type { CertificateAuthority, TrustedLog, TrustedRoot } from '../trust-types.ts';
import type { SigstoreLimits } from '../types.ts';
import { readLogKey } from './read-log-key.ts';
import { readWindow } from './read-window.ts';

const MEDIA_TYPES: ReadonlySet<string> = new Set([
  'application/vnd.dev.sigstore.trustedroot+json;version=0.1',
  'application/vnd.dev.sigstore.trustedroot.v0.1+json',
  'application/vnd.dev.sigstore.trustedroot.v0.2+json',
]);

const LOG_MEMBERS = ['baseUrl', 'hashAlgorithm', 'publicKey', 'logId', 'checkpointKeyId', 'operator'];
const AUTHORITY_MEMBERS = ['subject', 'uri', 'certChain', 'validFor', 'operator'];
/** The length of a SHA-256, and of its beginning in checkpoints. */
const LOG_ID_BYTES = 32;
const KEY_HINT_BYTES = 4;

/**
 * Reads Sigstore's trusted_root.json: what a policy trusts in place of keys and certificates of its own. Each member has
 * its one type, unknown members are refused, and keys, certificates and times are read now and not when they are needed.
 * Throws `POLICY_INVALID`.
 * https://github.com/sigstore/protobuf-specs/blob/v0.5.0/protos/sigstore_trustroot.proto
 */
export function readTrustedRoot({ name, rawBytes }: RawKeyRing, limits: SigstoreLimits): TrustedRoot {
  requireBytesWithin([{ name, rawBytes }], 'the trusted root', limits);
  const refuse: Refuse = (text) => {
    throw new SealiftError('POLICY_INVALID', `policy: trusted root ${name}: ${text}`, { context: { path: name } });
  };
  if (isPem(rawBytes)) refuse('expected a trusted_root.json of Sigstore, got PEM');
  const description: Document = { isNot: 'it is no trusted_root.json of Sigstore', refuse };
  const members = ['mediaType', 'tlogs', 'certificateAuthorities', 'ctlogs', 'timestampAuthorities'];
  const document = readDocument(rawBytes, description, members);
  if (!MEDIA_TYPES.has(document.text('mediaType'))) {
    document.refuse('mediaType', 'expected version 0.1 or 0.2 of a trusted root');
  }
  const root: TrustedRoot = {
    logs: readLogs(document, 'tlogs'),
    ctLogs: readLogs(document, 'ctlogs'),
    certificateAuthorities: readAuthorities(document, 'certificateAuthorities', limits),
    timestampAuthorities: readAuthorities(document, 'timestampAuthorities', limits),
  };
  if (root.logs.length + root.timestampAuthorities.length > 0) return root;
  return document.refuse('tlogs', 'expected at least one log, or at least one of timestampAuthorities');
}

/** One log twice is a mistake: its windows would contradict each other (GHSA-9vcr-p3rj-q5q6 counted such a log twice). */
function readLogs(document: StrictObject, name: string): readonly TrustedLog[] {
  const logs = document.objects(name, LOG_MEMBERS).map((log, position) => readLog(log, `${name}[${position}]`));
  const ids = logs.flatMap(({ logIds }) => logIds.map((id) => Buffer.from(id).toString('hex')));
  if (new Set(ids).size !== ids.length) document.refuse(name, 'expected each log once');
  return logs;
}

/** `position` is the name of a log without an address. */
function readLog(log: StrictObject, position: string): TrustedLog {
  const address = log.textOrEmpty('baseUrl') || undefined;
  // The hash of the log's tree.
  log.literal('hashAlgorithm', 'SHA2_256');
  log.textOrEmpty('operator');
  const publicKey = log.object('publicKey', ['rawBytes', 'keyDetails', 'validFor']);
  return {
    key: readLogKey(publicKey, address ?? position),
    logIds: [readKeyId(log.object('logId', ['keyId']), LOG_ID_BYTES)],
    checkpointKeyId: readCheckpointKeyId(log),
    address,
    validFor: readWindow(publicKey),
  };
}

function readKeyId(object: StrictObject, length: number): Uint8Array {
  const id = object.bytes('keyId');
  return id.length === length ? id : object.refuse('keyId', `expected ${length} bytes`);
}

/** Some roots have the whole hash, of which checkpoints have the beginning. */
function readCheckpointKeyId(log: StrictObject): Uint8Array | undefined {
  const object = log.objectIfPresent('checkpointKeyId', ['keyId']);
  const id = object?.bytes('keyId');
  if (object === undefined || id === undefined) return undefined;
  if (id.length !== KEY_HINT_BYTES && id.length !== LOG_ID_BYTES) object.refuse('keyId', 'expected 4 or 32 bytes');
  return id.subarray(0, KEY_HINT_BYTES);
}

function readAuthorities(
  document: StrictObject,
  name: string,
  limits: SigstoreLimits,
): readonly CertificateAuthority[] {
  return document.objects(name, AUTHORITY_MEMBERS).map((authority, position) => {
    const subject = authority.objectIfPresent('subject', ['organization', 'commonName']);
    for (const part of ['organization', 'commonName']) subject?.textOrEmpty(part);
    authority.textOrEmpty('operator');
    const chain = authority.object('certChain', ['certificates']);
    const certificates = chain.objects('certificates', ['rawBytes']).map((certificate) => {
      const raw = certificate.bytes('rawBytes');
      readCertificate(raw, { maxDepth: limits.maxDerDepth }, (what) => certificate.refuse('rawBytes', what));
      return raw;
    });
    if (certificates.length === 0) chain.refuse('certificates', 'expected at least one');
    const uri = authority.textOrEmpty('uri') || `${name}[${position}]`;
    return { name: uri, certificates, validFor: readWindow(authority) };
  });
}
