import { constants, createGunzip, createZstdDecompress } from 'node:zlib';
import { SealiftError } from '../../errors/index.ts';
import { SLOT_BYTES, type SlotWriter } from '../ring.ts';
import type { CompressedFormat, Decompressor } from './types.ts';

/**
 * The part of node:zlib's streams that works without the event loop. It is not documented, but the streams themselves
 * use it: for each chunk a stream makes one such call on the thread pool. Calling it directly makes inflating four
 * times as fast. All code that depends on it is in this file, and {@link canUseSyncHandle} tests it first.
 */
interface ZlibHandle {
  onerror: (message: string, errno: number, code: string) => void;
  writeSync(
    flush: number,
    input: Uint8Array,
    inputOffset: number,
    inputLength: number,
    output: Uint8Array,
    outputOffset: number,
    outputLength: number,
  ): void;
}

interface ZlibStream {
  readonly _handle: ZlibHandle;
  /** After each call: [bytes of output left, bytes of input left]. */
  readonly _writeState: Uint32Array;
  close(): void;
}

/** Z_NO_FLUSH and ZSTD_e_continue. */
const NO_FLUSH = 0;
const FINISH = { gzip: constants.Z_FINISH, zstd: constants.ZSTD_e_end } as const;
const NOTHING = Buffer.alloc(0);

function createStream(format: CompressedFormat, maxZstdWindowLog: number): ZlibStream {
  const stream =
    format === 'gzip'
      ? createGunzip()
      : createZstdDecompress({ params: { [constants.ZSTD_d_windowLogMax]: maxZstdWindowLog } });
  return stream as unknown as ZlibStream;
}

/** Decompresses into slots of the ring on this thread. Throws `LAYER_DECOMPRESS_FAILED`. */
export function createSyncDecompressor(
  format: CompressedFormat,
  maxZstdWindowLog: number,
  slots: SlotWriter,
): Decompressor {
  const stream = createStream(format, maxZstdWindowLog);
  const { _handle: handle, _writeState: state } = stream;
  let failure: string | undefined;
  handle.onerror = (message, _errno, code) => {
    failure = `${message} (${code})`;
  };
  let slot: Uint8Array | undefined;
  let filled = 0;

  function run(flush: number, input: Uint8Array): void {
    let offset = 0;
    let left = input.length;
    for (;;) {
      slot ??= slots.acquire();
      handle.writeSync(flush, input, offset, left, slot, filled, SLOT_BYTES - filled);
      if (failure !== undefined) throw decompressFailed(format, failure);
      const [availableOut = 0, availableIn = 0] = state;
      const produced = SLOT_BYTES - filled - availableOut;
      const consumed = left - availableIn;
      filled += produced;
      offset += consumed;
      left = availableIn;
      if (filled === SLOT_BYTES) {
        publish();
        continue;
      }
      if (left === 0) return;
      if (produced === 0 && consumed === 0) throw decompressFailed(format, 'data after the end of the stream');
    }
  }

  function publish(): void {
    slots.publish(filled);
    slot = undefined;
    filled = 0;
  }

  return {
    write: (chunk) => run(NO_FLUSH, chunk),
    end() {
      run(FINISH[format], NOTHING);
      if (filled > 0) publish();
      slots.end();
    },
    close: () => stream.close(),
  };
}

export function decompressFailed(format: CompressedFormat, detail: string): SealiftError {
  return new SealiftError('LAYER_DECOMPRESS_FAILED', `${format} layer: ${detail}`, { context: { format } });
}

const TEST_TEXT = 'sealift '.repeat(40);
const TEST_VECTORS: Readonly<Record<CompressedFormat, string>> = {
  gzip: 'H4sIAAAAAAAAAytOTczJTCtRKB6lyaIBOIHU7UABAAA=',
  zstd: 'KLUv/WBAAH0AAEBzZWFsaWZ0IAEANVMLFw==',
};

let usable: boolean | undefined;

/** True if this Node has the handle. The first call in a thread decodes test vectors, two members of each format. */
export function canUseSyncHandle(): boolean {
  usable ??= (['gzip', 'zstd'] as const).every(decodesVector);
  return usable;
}

function decodesVector(format: CompressedFormat): boolean {
  const parts: Buffer[] = [];
  const memory = Buffer.allocUnsafeSlow(SLOT_BYTES);
  const slots: SlotWriter = {
    acquire: () => memory,
    publish: (length) => parts.push(Buffer.from(memory.subarray(0, length))),
    end: () => {},
  };
  try {
    const member = Buffer.from(TEST_VECTORS[format], 'base64');
    const decompressor = createSyncDecompressor(format, 27, slots);
    decompressor.write(member);
    decompressor.write(member);
    decompressor.end();
    decompressor.close();
  } catch {
    // Any error means that the handle of this Node is not the expected one.
    return false;
  }
  return Buffer.concat(parts).toString() === TEST_TEXT + TEST_TEXT;
}
