import type { LayerImage } from '../../layer-formats/index.ts';
import type { Checkpoint } from '../../platform/index.ts';
import { createVerityTreeWriter, type VerityTreeWriter } from '../../unpack/index.ts';
import { Ring } from '../ring.ts';
import type { TreeTask } from '../types.ts';

/** Makes the hash tree of an image whose blocks come through a ring, in a thread of its own. */
export function runTreeRole({ path, ring }: TreeTask, checkpoint: Checkpoint): LayerImage {
  const writer = openTree(path, checkpoint);
  try {
    new Ring(ring).drainTo(writer);
    return describeTree(writer, checkpoint);
  } finally {
    writer.close();
  }
}

/** The caller closes the writer. */
export function openTree(path: string, checkpoint: Checkpoint): VerityTreeWriter {
  const writer = createVerityTreeWriter(path);
  checkpoint('layer-tree');
  return writer;
}

/** What the finished tree says of its image. Call it after the writer's `end`. */
export function describeTree(writer: VerityTreeWriter, checkpoint: Checkpoint): LayerImage {
  const { rootHash, hashOffset, fileBytes: bytes } = writer.result();
  checkpoint('layer-hashed');
  return { bytes, verity: { rootHash, hashOffset } };
}
