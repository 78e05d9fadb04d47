import { SealiftError } from '../../errors/index.ts';
import type { LayerCompression } from '../../oci/index.ts';
import type { FlowSink } from '../flow-sink.ts';

type Format = LayerCompression;

const WORDS: Readonly<Record<Format, string>> = { none: 'a plain tar', gzip: 'gzip', zstd: 'zstd' };

/** The magic of a tar header. https://pubs.opengroup.org/onlinepubs/9799919799/utilities/pax.html#tag_20_94_13_06 */
const USTAR = { offset: 257, text: 'ustar' } as const;

/** Returns the format that the first bytes show, or undefined if they show none. */
function formatOf(start: Buffer): Format | undefined {
  if (start.toString('latin1', USTAR.offset, USTAR.offset + USTAR.text.length) === USTAR.text) return 'none';
  if (start.length < 4) return undefined;
  if (start.readUInt16BE(0) === 0x1f8b) return 'gzip';
  const magic = start.readUInt32LE(0);
  // A frame, or a skippable frame: https://www.rfc-editor.org/rfc/rfc8878#section-3.1
  return magic === 0xfd2fb528 || magic >>> 4 === 0x184d2a5 ? 'zstd' : undefined;
}

/**
 * Refuses a layer whose first bytes show another format than its media type, with an error that says so. Without this
 * stage the decoder or the tar reader would refuse it with a less helpful error. It accepts nothing by itself.
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
