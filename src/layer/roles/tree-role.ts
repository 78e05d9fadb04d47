import { createVerityTreeWriter, type VerityTreeWriter } from '../../unpack/index.ts';
import { Ring } from '../ring.ts';
import type { StagedImage, TreeTask } from '../types.ts';

type Checkpoint = (name: string) => void;

/** Makes the hash tree of an image whose blocks come through a ring, in a thread of its own. */
export function runTreeRole({ path, ring }: TreeTask, checkpoint: Checkpoint): StagedImage {
  const writer = openTree(path, checkpoint);
  new Ring(ring).drainTo(writer);
  return describeTree(writer, checkpoint);
}

export function openTree(path: string, checkpoint: Checkpoint): VerityTreeWriter {
  const writer = createVerityTreeWriter(path);
  checkpoint('layer-tree');
  return writer;
}

/** What the finished tree says of its image. Call it after the writer's `end`. */
export function describeTree(writer: VerityTreeWriter, checkpoint: Checkpoint): StagedImage {
  const { rootHash, hashOffset, fileBytes: bytes } = writer.result();
  checkpoint('layer-hashed');
  return { bytes, verity: { rootHash, hashOffset } };
}
