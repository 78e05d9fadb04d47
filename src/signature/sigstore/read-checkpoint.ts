import { decodeBase64, refuseSignature } from '../signed-content/index.ts';

/** The state of a log as it was read; the signatures have not been verified. */
export interface Checkpoint {
  /** The name of the log. */
  readonly origin: string;
  readonly treeSize: bigint;
  readonly rootHash: Buffer;
  /** The bytes that the signatures are for. */
  readonly note: Uint8Array;
  readonly signatures: readonly CheckpointSignature[];
}

/** One signature of a checkpoint: by the log, or by a witness. */
export interface CheckpointSignature {
  /** The name of its key. */
  readonly name: string;
  /** The beginning of the ID of its key. */
  readonly hint: Uint8Array;
  readonly value: Uint8Array;
}

const SIZE = /^(?:0|[1-9][0-9]{0,18})$/;
const SIGNATURE = /^\u2014 ([^\s+]+) ([A-Za-z0-9+/=]+)$/;
const HASH_BYTES = 32;
const HINT_BYTES = 4;

/**
 * Reads a checkpoint: name, size and root hash in lines, an empty line, and the signatures. Throws `SIGNATURE_REFUSED`.
 * https://github.com/C2SP/C2SP/blob/tlog-checkpoint/v1.0.0/tlog-checkpoint.md
 */
export function readCheckpoint(text: string): Checkpoint {
  const end = text.lastIndexOf('\n\n');
  const note = text.slice(0, end + 1);
  const lines = text.slice(end + 2).split('\n');
  if (end < 0 || lines.pop() !== '') refuse();
  const [origin = '', size = '', root = ''] = note.split('\n');
  const rootHash = decodeBase64(root);
  if (origin === '' || !SIZE.test(size) || rootHash?.length !== HASH_BYTES) return refuse();
  const signatures = lines.map(readSignature);
  return { origin, treeSize: BigInt(size), rootHash, note: Buffer.from(note), signatures };
}

function readSignature(line: string): CheckpointSignature {
  const [, name = '', base64 = ''] = SIGNATURE.exec(line) ?? [];
  const bytes = decodeBase64(base64);
  if (bytes === undefined || bytes.length <= HINT_BYTES) return refuse();
  return { name, hint: bytes.subarray(0, HINT_BYTES), value: bytes.subarray(HINT_BYTES) };
}

function refuse(): never {
  return refuseSignature('malformed', 'the checkpoint of its log entry cannot be read');
}
