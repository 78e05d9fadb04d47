import { fileURLToPath } from 'node:url';
import { createDistribution } from './distribution/create-distribution.ts';

/** Level 19 compresses Node's 150 MB to 35 MB in minutes, level 12 to 40 MB in seconds. */
const COMPRESSION_LEVEL = 12;

/** https://reproducible-builds.org/specs/source-date-epoch/ */
function readModificationTime(): Date {
  const seconds = Number(process.env['SOURCE_DATE_EPOCH'] ?? 0);
  if (!Number.isSafeInteger(seconds) || seconds < 0) throw new Error('SOURCE_DATE_EPOCH is no number of seconds');
  return new Date(seconds * 1000);
}

const root = fileURLToPath(new URL('..', import.meta.url));
const { archive, archiveBytes, unpackedBytes, sha256 } = await createDistribution({
  root,
  output: `${root}dist`,
  compressionLevel: COMPRESSION_LEVEL,
  modificationTime: readModificationTime(),
});
const inMegabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;
console.log(`${archive}: ${inMegabytes(archiveBytes)}, unpacked ${inMegabytes(unpackedBytes)}`);
console.log(`sha256 ${sha256}`);
