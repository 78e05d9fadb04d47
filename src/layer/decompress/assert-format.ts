import { SealiftError } from '../../errors/index.ts';
import type { LayerCompression } from '../../oci/index.ts';
import type { FlowSink } from '../flow-sink.ts';

type Format = LayerCompression;

const WORDS: Readonly<Record<Format, string>> = { none: 'a plain tar', gzip: 'gzip', zstd: 'zstd' };

/** Where a tar header says that it is one. https://pubs.opengroup.org/onlinepubs/9799919799/utilities/pax.html#tag_20_94_13_06 */
const USTAR = { offset: 257, text: 'ustar' } as const;

/** By how they begin; undefined for bytes that say nothing. */
function formatOf(start: Buffer): Format | undefined {
  if (start.toString('latin1', USTAR.offset, USTAR.offset + USTAR.text.length) === USTAR.text) return 'none';
  if (start.length < 4) return undefined;
  if (start.readUInt16BE(0) === 0x1f8b) return 'gzip';
  const magic = start.readUInt32LE(0);
  // https://www.rfc-editor.org/rfc/rfc8878#section-3.1: a frame, or one that is passed over.
  return magic === 0xfd2fb528 || magic >>> 4 === 0x184d2a5 ? 'zstd' : undefined;
}

/**
 * Gives a layer that is compressed in another way than it is called a refusal that says so; without it the decoder or
 * the tar reader refuses it in words of its own. Only the first chunk is looked at, and nothing is accepted for it.
 */
export function assertFormat(compression: LayerCompression, next: FlowSink): FlowSink {
  let isFirst = true;
  return {
    write(chunk) {
      if (isFirst) assertStart(compression, chunk);
      isFirst = false;
      return next.write(chunk);
    },
    end: () => next.end(),
  };
}

function assertStart(compression: LayerCompression, { buffer, byteOffset, byteLength }: Uint8Array): void {
  const actual = formatOf(Buffer.from(buffer, byteOffset, byteLength));
  if (actual === undefined || actual === compression) return;
  throw new SealiftError(
    'LAYER_TYPE_MISMATCH',
    `layer: expected ${WORDS[compression]} as its media type says, got ${WORDS[actual]}`,
    { context: { expected: compression, actual } },
  );
}
