import { type LayerKey, layerFileName, layerKeyOf } from '../layer-formats/index.ts';
import type { Digest } from '../oci/index.ts';
import { listDocuments, removeDocument } from './documents.ts';
import { findNeeded } from './find-needed.ts';
import { listLayerRecords, removeLayerRecord } from './layer-record.ts';
import type { HeldLock } from './lock-file.ts';
import { isReadOnly } from './reconcile-layer.ts';
import type { RemovalTally } from './removal-tally.ts';
import { listSigned, removeSignatures } from './signature-record.ts';
import { mountState, type StoreContext, tryLayerLock, tryUseLock } from './store-context.ts';
import { readIndex } from './store-index.ts';
import type { DocumentId } from './types.ts';

/** Bounds the locks held at once, because each lock is an open file. */
const BATCH = 256;

type Thing =
  | { readonly layer: LayerKey }
  | { readonly document: DocumentId }
  /** The signatures of an image, which go with its manifest, or alone when that is gone. */
  | { readonly signed: Digest };

/**
 * Moves to the trash the layers that nothing in the index refers to and no pull holds, and removes such documents, with
 * the signatures of a manifest. With `among`, only these layers and documents are considered.
 */
export async function removeUnneeded(
  context: StoreContext,
  tally: RemovalTally,
  among?: ReadonlySet<string>,
): Promise<void> {
  const isNeeded = needTest(context);
  const things = (await listThings(context)).filter(
    (thing) => !isNeeded(thing) && (among === undefined || among.has(nameOf(thing))),
  );
  for (let start = 0; start < things.length; start += BATCH) {
    await removeBatch(context, things.slice(start, start + BATCH), tally);
  }
}

async function listThings({ dataDir, options }: StoreContext): Promise<readonly Thing[]> {
  const { stateDir, runOperation } = options;
  const { layers } = await runOperation('listData', { dataDir });
  const present = layers.map(layerKeyOf).filter((key) => key !== undefined);
  const keys = new Set([...listLayerRecords(stateDir), ...present]);
  const documents = listDocuments(stateDir);
  // One lock is for a manifest and its signatures, so they are one thing while both are there.
  const manifests = new Set(documents.filter(({ kind }) => kind === 'manifests').map(({ digest }) => digest));
  const alone = listSigned(stateDir).filter((image) => !manifests.has(image));
  return [
    ...[...keys].map((layer) => ({ layer })),
    ...documents.map((document) => ({ document })),
    ...alone.map((signed) => ({ signed })),
  ];
}

/** Locks first and looks at the index afterwards, so that no new user can appear in between. */
async function removeBatch(context: StoreContext, things: readonly Thing[], tally: RemovalTally): Promise<void> {
  const { stateDir, sweepLayerMounts } = context.options;
  const locks = new Map<Thing, HeldLock>();
  try {
    for (const thing of things) {
      const lock = tryUseLock(stateDir, nameOf(thing), 'exclusive');
      if (lock !== undefined) locks.set(thing, lock);
    }
    const isNeeded = needTest(context);
    const unneeded = [...locks.keys()].filter((thing) => !isNeeded(thing));
    if (unneeded.some((thing) => 'layer' in thing)) await sweepLayerMounts(mountState(stateDir));
    for (const thing of unneeded) {
      if ('layer' in thing) await removeLayer(context, thing.layer, tally);
      else removeStateOf(thing, stateDir, tally);
    }
  } finally {
    for (const lock of locks.values()) lock.release({ remove: true });
  }
}

function removeStateOf(
  thing: Exclude<Thing, { readonly layer: LayerKey }>,
  stateDir: string,
  tally: RemovalTally,
): void {
  if ('signed' in thing) {
    removeSignatures(stateDir, thing.signed);
    return;
  }
  const { document } = thing;
  removeDocument(stateDir, document);
  if (document.kind === 'manifests') removeSignatures(stateDir, document.digest);
  tally.documents += 1;
}

function needTest({ options }: StoreContext): (thing: Thing) => boolean {
  const { layers, documents } = findNeeded(readIndex(options.stateDir));
  return (thing) => ('layer' in thing ? layers.has(thing.layer) : documents.has(nameOf(thing)));
}

function nameOf(thing: Thing): LayerKey | Digest {
  if ('layer' in thing) return thing.layer;
  return 'signed' in thing ? thing.signed : thing.document.digest;
}

/** Holds the layer's lock, because recovery would take a record without a layer for the rest of a crash. */
async function removeLayer(context: StoreContext, key: LayerKey, tally: RemovalTally): Promise<void> {
  const { dataDir } = context;
  const { stateDir, runOperation } = context.options;
  const lock = tryLayerLock(stateDir, key);
  if (lock === undefined) return;
  try {
    // A layer of a read-only backing stays, and so does its record, without which it would be fetched again.
    if (!(await isReadOnly(context, key))) removeLayerRecord(stateDir, key);
    const isMoved = await runOperation('moveToTrash', { dataDir, area: 'layers', name: layerFileName(key) });
    if (!isMoved) return;
    tally.layers.push(key);
    context.trash.start();
  } finally {
    lock.release({ remove: true });
  }
}
