import { createHash } from 'node:crypto';
import { type BuiltImage, type BuiltLayer, buildImage, buildLayer, type LayerCompression } from './image-builder.ts';
import { dir, file, symlink, type TarMember, tar } from './tar-builder.ts';

/** An image of three small layers, one in each compression, behind an index. */
export async function buildSmallImage(folder: string): Promise<BuiltImage> {
  const compressions: readonly LayerCompression[] = ['gzip', 'zstd', 'none'];
  const layers: BuiltLayer[] = [];
  for (const [number, compression] of compressions.entries()) {
    layers.push(await buildLayer(tar(smallLayer(number)), compression, folder));
  }
  return buildImage({ format: 'oci', layers, index: true, config: { Cmd: ['/bin/true'] } });
}

/** About 200 KB, half of it random, so that compressed blobs are long enough to be altered in many places. */
function smallLayer(number: number): TarMember[] {
  return [
    dir('./'),
    dir('etc'),
    file(`etc/layer-${number}`, pseudoRandom(60_000, `first ${number}`)),
    file(`etc/text-${number}`, 'the quick brown fox\n'.repeat(3_000)),
    symlink(`etc/link-${number}`, `layer-${number}`),
    file(`etc/last-${number}`, pseudoRandom(40_000, `last ${number}`)),
  ];
}

/** Returns incompressible bytes, the same for the same seed. */
export function pseudoRandom(length: number, seed: string): Buffer {
  const blocks: Buffer[] = [];
  for (let count = 0; count * 32 < length; count += 1) {
    blocks.push(createHash('sha256').update(`${seed} ${count}`).digest());
  }
  return Buffer.concat(blocks).subarray(0, length);
}
