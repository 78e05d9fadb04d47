import type { RequestsOf } from '../../../src/operations/index.ts';
import { performOperation } from '../../../src/operations/perform.ts';
import type { Operation } from '../../../src/operations/types.ts';
import { createSnapshotOperations, type SnapshotOperations } from '../../../src/snapshot/index.ts';
import { writeVerityLayerImage } from '../../support/builders/erofs-image.ts';
import { file, tarStream } from '../../support/builders/tar-builder.ts';

type SnapshotOperation = Operation<RequestsOf<SnapshotOperations>>;

/** A program in the guest. Its wish is the parameter, as JSON; its answer is JSON on standard output. */
type Wish =
  /** An image with a tree, of one file `words` and one that fills `bytes`. */
  | { readonly act: 'write'; readonly path: string; readonly words: string; readonly bytes: number }
  | { readonly act: 'perform'; readonly operation: SnapshotOperation };

const wish: Wish = JSON.parse(process.argv[2] ?? '');

function answer(): unknown {
  if (wish.act === 'perform') return performOperation(createSnapshotOperations(), wish.operation) ?? null;
  const large = Buffer.alloc(wish.bytes, `${wish.words} `);
  const { image, verity } = writeVerityLayerImage(
    wish.path,
    tarStream([file('words', wish.words), file('large', large)]),
  );
  return { ...image, ...verity };
}

try {
  process.stdout.write(JSON.stringify({ result: answer() }));
} catch (error) {
  const { code, message } = error as { code?: string; message: string };
  process.stdout.write(JSON.stringify({ error: { code, message } }));
}
