import { createHash } from 'node:crypto';
import {
  type Json,
  type JsonMembers,
  makeSigner,
  signBytes,
  type TestKeyKind,
  type TestSigner,
} from '../signatures/sigstore-builder.ts';

const base64 = (bytes: Uint8Array | string): string => Buffer.from(bytes).toString('base64');
const sha256 = (...parts: readonly Uint8Array[]): Buffer => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
};

/** Seconds since 1970: 2026-09-21T14:13:20Z. */
export const INTEGRATED_TIME = 1_790_000_000;
const ORIGIN = 'log.example/test';

export interface LoggedOptions {
  /** True: a signed entry timestamp, as Rekor's first version makes it. Those of the second have none by default. */
  readonly isPromised?: boolean;
  /** Which leaf of a tree of `treeSize` the entry is. */
  readonly leaf?: number;
  readonly treeSize?: number;
  /** Seconds since 1970. */
  readonly integratedTime?: number;
  /** Lines of other signatures in the checkpoint, in front of the log's own and behind it. */
  readonly signaturesBefore?: readonly string[];
  readonly signaturesBehind?: readonly string[];
  /** The first line of the checkpoint; the name of the log by default. */
  readonly origin?: string;
  /** The four bytes in front of the signature of the checkpoint, as far as it is not the usual hint. */
  readonly hint?: Uint8Array;
}

/** A transparency log that signs what it is given: Rekor's first version, or the second with records of `0.0.2`. */
export class TestLog {
  readonly signer: TestSigner;
  /** Its name in checkpoints: its address without the scheme. */
  readonly origin: string;

  constructor(kind: TestKeyKind = 'P-256', origin = ORIGIN) {
    this.signer = makeSigner(kind);
    this.origin = origin;
  }

  /** The ID of a log of Rekor's first version, or of the second with an ECDSA key. */
  get id(): Buffer {
    return sha256(this.signer.rawSpki);
  }

  /** The ID of a log of Rekor's second version with an Ed25519 key. */
  get noteId(): Buffer {
    return sha256(Buffer.from(`${this.origin}\n`), Uint8Array.of(1), this.signer.rawSpki.subarray(-32));
  }

  promise(body: string, { logIndex = 7, integratedTime = INTEGRATED_TIME } = {}): string {
    const text = `{"body":"${body}","integratedTime":${integratedTime},"logID":"${this.id.toString('hex')}","logIndex":${logIndex}}`;
    return base64(signBytes(this.signer, Buffer.from(text)));
  }

  /** The annotation that cosign's first format has. */
  annotation(record: Json, integratedTime = INTEGRATED_TIME): string {
    const body = base64(JSON.stringify(record));
    const payload = { body, integratedTime, logIndex: 7, logID: this.id.toString('hex') };
    return JSON.stringify({ SignedEntryTimestamp: this.promise(body, { integratedTime }), Payload: payload });
  }

  /** An entry of a bundle. */
  entry(record: JsonMembers, options: LoggedOptions = {}): JsonMembers {
    const isSecond = record['apiVersion'] === '0.0.2';
    const { isPromised = !isSecond, integratedTime = INTEGRATED_TIME } = options;
    const raw = Buffer.from(JSON.stringify(record));
    const body = base64(raw);
    const promise = isPromised
      ? {
          integratedTime: String(integratedTime),
          inclusionPromise: { signedEntryTimestamp: this.promise(body, { integratedTime }) },
        }
      : {};
    return {
      logIndex: '7',
      logId: { keyId: base64(isSecond && this.signer.hash === null ? this.noteId : this.id) },
      kindVersion: { kind: record['kind'] ?? '', version: record['apiVersion'] ?? '' },
      ...promise,
      inclusionProof: this.proof(raw, options),
      canonicalizedBody: body,
    };
  }

  /** The proof of a leaf among others that the log makes up. */
  proof(body: Uint8Array, options: LoggedOptions = {}): JsonMembers {
    const { leaf = 0, treeSize = 1 } = options;
    const leaves = Array.from({ length: treeSize }, (_, position) =>
      sha256(Uint8Array.of(0), position === leaf ? body : Buffer.from(`leaf ${position}`)),
    );
    const root = rootOf(leaves);
    return {
      ...(leaf === 0 ? {} : { logIndex: String(leaf) }),
      rootHash: base64(root),
      treeSize: String(treeSize),
      ...(treeSize === 1 ? {} : { hashes: pathOf(leaves, leaf).map(base64) }),
      checkpoint: { envelope: this.checkpoint(root, treeSize, options) },
    };
  }

  checkpoint(root: Uint8Array, treeSize: number, options: LoggedOptions = {}): string {
    const { origin = this.origin, signaturesBefore = [], signaturesBehind = [] } = options;
    const note = `${origin}\n${treeSize}\n${base64(root)}\n`;
    const id = this.signer.hash === null ? this.noteId : this.id;
    const hint = options.hint ?? id.subarray(0, 4);
    const own = noteLine(this.origin, hint, signBytes(this.signer, Buffer.from(note)));
    return `${note}\n${[...signaturesBefore, own, ...signaturesBehind].join('')}`;
  }
}

/** One signature of a checkpoint. */
export function noteLine(name: string, hint: Uint8Array, signature: Uint8Array): string {
  return `\u2014 ${name} ${base64(Buffer.concat([hint, signature]))}\n`;
}

/** The largest power of two that is smaller than `count`. https://www.rfc-editor.org/rfc/rfc9162#section-2.1.1 */
function splitOf(count: number): number {
  return 2 ** Math.ceil(Math.log2(count) - 1);
}

function rootOf(leaves: readonly Buffer[]): Buffer {
  const [only] = leaves;
  if (only !== undefined && leaves.length === 1) return only;
  const split = splitOf(leaves.length);
  return sha256(Uint8Array.of(1), rootOf(leaves.slice(0, split)), rootOf(leaves.slice(split)));
}

function pathOf(leaves: readonly Buffer[], leaf: number): readonly Buffer[] {
  if (leaves.length === 1) return [];
  const split = splitOf(leaves.length);
  return leaf < split
    ? [...pathOf(leaves.slice(0, split), leaf), rootOf(leaves.slice(split))]
    : [...pathOf(leaves.slice(split), leaf - split), rootOf(leaves.slice(0, split))];
}
