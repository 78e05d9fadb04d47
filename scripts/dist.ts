import { fileURLToPath } from 'node:url';
import { createDistribution } from './distribution/create-distribution.ts';

/** Of 150 MB of Node 19 leaves 35 MB after minutes, 12 leaves 40 MB after seconds. */
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
