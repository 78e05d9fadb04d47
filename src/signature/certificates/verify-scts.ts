import { createHash } from 'node:crypto';
import { isSame } from '../signed-content/index.ts';
import type { VerificationKey } from './open-public-key.ts';
import { contextTag, type DerBound, type DerValue, type Refuse, readDer, TAG } from './read-der.ts';
import type { Certificate } from './types.ts';

/** A log of certificates that is trusted. */
export interface CertificateLog {
  readonly key: VerificationKey;
  readonly logIds: readonly Uint8Array[];
  /** Compared with the time in the SCT; undefined: without a bound. */
  readonly validFor: { readonly start: Date | undefined; readonly end: Date | undefined };
}

/** A signed certificate timestamp: the promise of a log to publish the certificate. */
interface Sct {
  readonly logId: Uint8Array;
  readonly timestamp: bigint;
  readonly extensions: Uint8Array;
  readonly hash: number;
  readonly algorithm: number;
  readonly signature: Uint8Array;
}

const SCT_LIST = '1.3.6.1.4.1.11129.2.4.2';
const EXTENSIONS = contextTag(3, 'constructed');
const SHA256 = 4;
const RSA = 1;
const ECDSA = 3;

/** A certificate and what has issued it. */
export interface Issued {
  readonly certificate: Certificate;
  readonly issuer: Certificate;
}

/**
 * Requires that one of these logs has promised to publish the certificate. SCTs of other logs are not looked at; each one
 * of these logs has to hold.
 * https://www.rfc-editor.org/rfc/rfc6962#section-3.2
 */
export function requireSct(issued: Issued, logs: readonly CertificateLog[], { bound, refuse }: SctOptions): void {
  const reject: Refuse = (what) => refuse(`its SCTs: ${what}`);
  const { value } =
    issued.certificate.extensions.get(SCT_LIST) ?? refuse('it has no SCT, which the trusted root asks for');
  const list = readList(readDer(value, bound, reject).octets(), reject);
  const known = list.flatMap((sct) => {
    const log = logs.find(({ logIds }) => logIds.some((id) => isSame(id, sct.logId)));
    return log === undefined ? [] : [{ sct, log }];
  });
  if (known.length === 0) reject('they are of other logs than those of the trusted root');
  const entry = precertificateEntry(issued, bound, reject);
  for (const { sct, log } of known) verifySct(sct, { entry, log }, reject);
}

export interface SctOptions {
  readonly bound: DerBound;
  readonly refuse: Refuse;
}

function verifySct(sct: Sct, { entry, log }: { entry: Uint8Array; log: CertificateLog }, refuse: Refuse): void {
  const { key, validFor } = log;
  const at = new Date(Number(sct.timestamp));
  if (Number.isNaN(at.getTime())) refuse('one has no time that a date can hold');
  if ((validFor.start !== undefined && at < validFor.start) || (validFor.end !== undefined && at > validFor.end)) {
    refuse(`the log ${key.name} does not count at the time of one`);
  }
  const isOfKind = sct.hash === SHA256 && sct.algorithm === (key.kind === 'RSA' ? RSA : ECDSA);
  const head = Buffer.alloc(10);
  head.writeBigUInt64BE(sct.timestamp, 2);
  const message = Buffer.concat([head, entry, lengthOf(sct.extensions, 2), sct.extensions]);
  if (isOfKind && key.kind !== 'Ed25519' && key.verifiesWith('sha256', message, sct.signature)) return;
  refuse(`one is not by the log ${key.name}`);
}

/** What a log signs of a certificate: it saw one without SCTs. https://www.rfc-editor.org/rfc/rfc6962#section-3.2 */
function precertificateEntry({ certificate, issuer }: Issued, bound: DerBound, refuse: Refuse): Uint8Array {
  const tbs = withoutScts(readDer(certificate.rawTbs, bound, refuse));
  const issuerKeyHash = createHash('sha256').update(issuer.key.rawSpki).digest();
  return Buffer.concat([Uint8Array.of(0, 1), issuerKeyHash, lengthOf(tbs, 3), tbs]);
}

function withoutScts(tbs: DerValue): Uint8Array {
  const members = tbs.members().rest();
  return encode(
    TAG.sequence,
    members.map((member) =>
      member.tag === EXTENSIONS ? encode(EXTENSIONS, [withoutSctExtension(member)]) : member.raw,
    ),
  );
}

function withoutSctExtension(member: DerValue): Uint8Array {
  const list = member.members(EXTENSIONS).next().members().rest();
  const others = list.filter((item) => item.members().next().objectIdentifier() !== SCT_LIST);
  return encode(
    TAG.sequence,
    others.map(({ raw }) => raw),
  );
}

function encode(tag: number, parts: readonly Uint8Array[]): Uint8Array {
  const content = Buffer.concat(parts);
  const { length } = content;
  const bytes = length < 0x80 ? 0 : Math.ceil((32 - Math.clz32(length)) / 8);
  const head =
    bytes === 0
      ? Uint8Array.of(tag, length)
      : Buffer.concat([Uint8Array.of(tag, 0x80 | bytes), lengthOf(content, bytes)]);
  return Buffer.concat([head, content]);
}

function lengthOf(content: Uint8Array, bytes: number): Uint8Array {
  const length = Buffer.alloc(bytes);
  length.writeUIntBE(content.length, 0, bytes);
  return length;
}

/** https://www.rfc-editor.org/rfc/rfc6962#section-3.3 */
function readList(bytes: Uint8Array, refuse: Refuse): readonly Sct[] {
  const outer = new TlsReader(bytes, refuse);
  const items = new TlsReader(outer.vector(2), refuse);
  outer.end();
  const list: Sct[] = [];
  while (!items.isAtEnd) list.push(readSct(items.vector(2), refuse));
  return list.length === 0 ? refuse('there is none') : list;
}

function readSct(bytes: Uint8Array, refuse: Refuse): Sct {
  const reader = new TlsReader(bytes, refuse);
  if (reader.number(1) !== 0n) refuse('expected version 1');
  const logId = reader.bytes(32);
  const timestamp = reader.number(8);
  const extensions = reader.vector(2);
  const [hash, algorithm] = [Number(reader.number(1)), Number(reader.number(1))];
  const signature = reader.vector(2);
  reader.end();
  return { logId, timestamp, extensions, hash, algorithm, signature };
}

/** Reads the presentation language of TLS. https://www.rfc-editor.org/rfc/rfc8446#section-3 */
class TlsReader {
  readonly #bytes: Uint8Array;
  readonly #refuse: Refuse;
  #position = 0;

  constructor(bytes: Uint8Array, refuse: Refuse) {
    this.#bytes = bytes;
    this.#refuse = refuse;
  }

  get isAtEnd(): boolean {
    return this.#position === this.#bytes.length;
  }

  bytes(length: number): Uint8Array {
    const end = this.#position + length;
    if (end > this.#bytes.length) this.#refuse('they end early');
    const bytes = this.#bytes.subarray(this.#position, end);
    this.#position = end;
    return bytes;
  }

  number(length: number): bigint {
    return this.bytes(length).reduce((value, byte) => value * 256n + BigInt(byte), 0n);
  }

  /** Bytes behind their length, which has so many bytes itself. */
  vector(lengthBytes: number): Uint8Array {
    return this.bytes(Number(this.number(lengthBytes)));
  }

  end(): void {
    if (!this.isAtEnd) this.#refuse('there are bytes behind them');
  }
}
