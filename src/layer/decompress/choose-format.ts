import { SealiftError } from '../../errors/index.ts';
import type { LayerCompression } from '../../oci/index.ts';
import type { FlowSink } from '../flow-sink.ts';

/** A format that is recognised only to name it. */
type OtherFormat = 'xz' | 'bzip2' | 'lz4';

const WORDS: Readonly<Record<LayerCompression | OtherFormat, string>> = {
  none: 'a plain tar',
  gzip: 'gzip',
  zstd: 'zstd',
  xz: 'xz',
  bzip2: 'bzip2',
  lz4: 'lz4',
};

/** The size of a tar header, which is enough to recognise every format. */
const HEAD_BYTES = 512;
/** The magic of a tar header. https://pubs.opengroup.org/onlinepubs/9799919799/utilities/pax.html#tag_20_94_13_06 */
const USTAR = { offset: 257, text: 'ustar' } as const;

const OTHER_MAGICS: readonly (readonly [format: OtherFormat, magic: string])[] = [
  ['xz', '\xfd7zXZ\0'],
  ['bzip2', 'BZh'],
  ['lz4', '\x04\x22\x4d\x18'],
];

/** Returns the format that the first bytes show, or undefined if they show none. */
function formatOf(head: Buffer): LayerCompression | OtherFormat | undefined {
  // Checked first, because the name of a tar's first member may begin with one of the magic numbers.
  if (head.toString('latin1', USTAR.offset, USTAR.offset + USTAR.text.length) === USTAR.text) return 'none';
  // A tar without members, and no beginning of any compressed format.
  if (head.length === HEAD_BYTES && head.every((byte) => byte === 0)) return 'none';
  if (head.length < 4) return undefined;
  if (head.readUInt16BE(0) === 0x1f8b) return 'gzip';
  const magic = head.readUInt32LE(0);
  // A frame, or a skippable frame: https://www.rfc-editor.org/rfc/rfc8878#section-3.1
  if (magic === 0xfd2fb528 || magic >>> 4 === 0x184d2a5) return 'zstd';
  return OTHER_MAGICS.find(([, text]) => head.toString('latin1', 0, text.length) === text)?.[0];
}

function isSupported(format: LayerCompression | OtherFormat): format is LayerCompression {
  return format === 'none' || format === 'gzip' || format === 'zstd';
}

/**
 * Returns how to read a layer that begins with `head`. What the bytes show decides, as in containerd and podman; bytes
 * that show nothing are read as the media type says. Throws `LAYER_TYPE_MISMATCH` for a format that is not supported.
 */
function chooseCompression(labelled: LayerCompression, head: Buffer): LayerCompression {
  const shown = formatOf(head);
  if (shown === undefined) return labelled;
  if (isSupported(shown)) return shown;
  throw new SealiftError(
    'LAYER_TYPE_MISMATCH',
    `layer: expected ${WORDS[labelled]} as its media type says, got ${WORDS[shown]}`,
    { context: { expected: labelled, actual: shown } },
  );
}

export interface FormatChoice extends FlowSink {
  /** How the layer is read; what the media type says as long as too few bytes are known. */
  readonly compression: LayerCompression;
}

/**
 * Looks at the first bytes of a layer, and opens the next stage when they have shown its format. The diffID decides
 * about the content in any case, so a wrong media type cannot change what is accepted.
 */
export function chooseFormat(labelled: LayerCompression, open: (actual: LayerCompression) => FlowSink): FormatChoice {
  const head = Buffer.alloc(HEAD_BYTES);
  let filled = 0;
  let next: FlowSink | undefined;
  let compression = labelled;
  const openWith = (known: Buffer): FlowSink => {
    compression = chooseCompression(labelled, known);
    const opened = open(compression);
    next = opened;
    return opened;
  };
  return {
    get compression() {
      return compression;
    },
    write(chunk) {
      if (next !== undefined) return next.write(chunk);
      if (filled === 0 && chunk.length >= HEAD_BYTES) {
        return openWith(Buffer.from(chunk.buffer, chunk.byteOffset, HEAD_BYTES)).write(chunk);
      }
      const part = chunk.subarray(0, HEAD_BYTES - filled);
      head.set(part, filled);
      filled += part.length;
      if (filled < HEAD_BYTES) return undefined;
      const sink = openWith(head);
      const written = sink.write(head);
      const rest = chunk.subarray(part.length);
      return written === undefined ? sink.write(rest) : written.then(() => sink.write(rest));
    },
    end() {
      if (next !== undefined) return next.end();
      const sink = openWith(head.subarray(0, filled));
      const written = sink.write(head.subarray(0, filled));
      return written === undefined ? sink.end() : written.then(() => sink.end());
    },
  };
}

/** Returns a sentence for the user when a layer was not what its media type says, and otherwise undefined. */
export function describeMislabelled(labelled: LayerCompression, actual: LayerCompression): string | undefined {
  if (labelled === actual) return undefined;
  return `expected ${WORDS[labelled]} as its media type says, got ${WORDS[actual]}; it was read as that`;
}
