import { createHash } from 'node:crypto';
import { connect } from 'node:net';
import { isMainThread, Worker, workerData } from 'node:worker_threads';
import type { ByteSink } from '../../src/bytes/index.ts';
import { decompress } from '../../src/layer/decompress/index.ts';
import { createRingMemory, Ring, type SlotWriter } from '../../src/layer/ring.ts';
import { verifyDigest } from '../../src/layer/verify-digest.ts';
import { createWindowGate, createWindowTokenMemory } from '../../src/layer/window-token.ts';
import { DEFAULT_LIMITS } from '../../src/limits/index.ts';
import { parseDigest } from '../../src/oci/index.ts';

export interface FloorLayer {
  readonly digest: string;
  readonly diffId: string;
  readonly tarSize: number;
  readonly compression: 'gzip' | 'zstd';
}

export interface FloorPlan {
  readonly host: string;
  readonly port: number;
  readonly repository: string;
  readonly layers: readonly FloorLayer[];
}

interface HasherStart {
  readonly memory: SharedArrayBuffer;
  readonly layers: readonly FloorLayer[];
}

const RECEIVE_BYTES = 256 * 1024;
const HEAD_END = '\r\n\r\n';

/**
 * The floor does what every verifying pull has to do, in this runtime and with the layer room's own digest, inflate and
 * ring. This thread downloads, hashes blobs and inflates; the other thread hashes layers and drops them. No manifest, no
 * archive, no file. All requests go out at once on one connection, whose bytes arrive in one buffer.
 */
function fetchAll({ host, port, repository, layers }: FloorPlan): void {
  const memory = createRingMemory();
  const start: HasherStart = { memory, layers };
  new Worker(new URL(import.meta.url), { workerData: start });
  const slots = new Ring(memory).writer();
  const receive = createReceiver(layers, slots);
  const socket = connect({
    host,
    port,
    onread: {
      buffer: Buffer.allocUnsafeSlow(RECEIVE_BYTES),
      callback(length, buffer) {
        const isDone = receive(Buffer.from(buffer.buffer, buffer.byteOffset, length));
        if (isDone) {
          slots.end();
          socket.destroy();
        }
        return !isDone;
      },
    },
  });
  for (const { digest } of layers) {
    socket.write(`GET /v2/${repository}/blobs/${digest} HTTP/1.1\r\nhost: ${host}:${port}${HEAD_END}`);
  }
  socket.on('end', () => {
    throw new Error('the registry hung up');
  });
}

/** Parses the responses. Returns true once the last layer is complete. */
function createReceiver(layers: readonly FloorLayer[], slots: SlotWriter): (bytes: Buffer) => boolean {
  const waiting = [...layers];
  const nextLine = (): ByteSink | undefined => {
    const layer = waiting.shift();
    return layer && createFetchLine(layer, slots);
  };
  let line = nextLine();
  let head = '';
  let left = 0;
  return (bytes) => {
    let rest = bytes;
    while (line !== undefined && rest.length > 0) {
      if (left === 0) {
        const headBefore = head.length;
        head += rest.toString('latin1', 0, 16_384);
        const end = head.indexOf(HEAD_END);
        if (end === -1) return false;
        left = bodyLength(head.slice(0, end));
        rest = rest.subarray(end + HEAD_END.length - headBefore);
        head = '';
      }
      const part = rest.subarray(0, left);
      if (part.length > 0) line.write(part);
      left -= part.length;
      rest = rest.subarray(part.length);
      if (left > 0) return false;
      line.end();
      line = nextLine();
    }
    return line === undefined;
  };
}

function bodyLength(head: string): number {
  const length = /^content-length: *(\d+)\r?$/im.exec(head)?.[1];
  if (!/^HTTP\/1\.1 200 /.test(head) || length === undefined) throw new Error(`unexpected answer: ${head}`);
  return Number(length);
}

function createFetchLine({ digest, compression }: FloorLayer, slots: SlotWriter): ByteSink {
  const windowGate = createWindowGate({
    memory: createWindowTokenMemory(),
    workerId: 1,
    maxWindowLog: DEFAULT_LIMITS.maxZstdWindowLog,
    throwIfCancelled: () => {},
  });
  const throughTheEnd: SlotWriter = {
    acquire: () => slots.acquire(),
    publish: (length) => slots.publish(length),
    end: () => {},
  };
  const decompressor = decompress({ compression, limits: DEFAULT_LIMITS, windowGate }, throughTheEnd);
  const line = verifyDigest(
    { digest: parseDigest(digest), what: 'blob', code: 'BLOB_DIGEST_MISMATCH' },
    {
      write: (chunk) => void decompressor.write(chunk),
      end() {
        decompressor.end();
        decompressor.close();
      },
    },
  );
  return { write: (chunk) => void line.write(chunk), end: () => void line.end() };
}

/** All layers use one ring: a slot never holds bytes of two layers, and the sizes are known. */
function hashAll({ memory, layers }: HasherStart): void {
  const remaining = layers.values();
  let layer = remaining.next().value;
  let left = layer?.tarSize ?? 0;
  let hash = createHash('sha256');
  new Ring(memory).drainTo({
    write(chunk) {
      hash.update(chunk);
      left -= chunk.length;
      if (left > 0) return;
      const actual = `sha256:${hash.digest('hex')}`;
      if (actual !== layer?.diffId) throw new Error(`diffID: expected ${layer?.diffId}, got ${actual}`);
      layer = remaining.next().value;
      left = layer?.tarSize ?? 0;
      hash = createHash('sha256');
    },
    end() {
      if (layer !== undefined) throw new Error(`layer ${layer.digest} is not complete`);
    },
  });
}

if (isMainThread) fetchAll(JSON.parse(process.argv[2] ?? '') as FloorPlan);
else hashAll(workerData as HasherStart);
