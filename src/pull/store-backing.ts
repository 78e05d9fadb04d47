import type { Configuration, LayerFormatSetting, VerityMode } from '../config/index.ts';
import { LAYER_FORMATS } from '../layer-formats/index.ts';
import type { Run } from '../operations/index.ts';
import {
  chooseLayerFormat,
  formatOnAnyKernel,
  type LayerFormatWish,
  type SnapshotOperations,
} from '../snapshot/index.ts';
import type { LayerFormat } from './layer-format.ts';

/** Where a store lies, and how far its disk can be trusted. */
export interface StoreBacking {
  readonly dataDir: string;
  readonly stateDir: string;
  readonly minFreeBytes: number;
  readonly layerFormat: LayerFormatSetting;
  /** Whether trees are written behind images; where `trees` are required, they always are. */
  readonly verity: VerityMode;
  /** `required`: the host can change the layers, so each is read through its hash tree. */
  readonly trees: 'required' | 'unused';
  readonly allowDirectories: boolean;
}

/** Returns the store of the command line. The host cannot reach its disk, so no trees are required there. */
export function cliBacking({ store }: Configuration): StoreBacking {
  return {
    dataDir: store.data.value,
    stateDir: store.state.value,
    minFreeBytes: store.minFreeBytes.value,
    layerFormat: store.layerFormat.value,
    verity: store.verity.value,
    trees: 'unused',
    allowDirectories: true,
  };
}

/** Returns the wish for the format of a store's layers: where the host can change them, one with a hash tree. */
export function wantedLayerFormat({
  layerFormat,
  trees,
  allowDirectories,
}: Pick<StoreBacking, 'layerFormat' | 'trees' | 'allowDirectories'>): LayerFormatWish {
  return trees === 'required' && !allowDirectories ? 'with-tree' : layerFormat;
}

/**
 * Returns how new layers of a store are written. Where the host can change them, they are images with a tree; otherwise
 * a tree is written only when configuration asks for it. Throws `SNAPSHOT_FORMAT_UNSUPPORTED`.
 */
export async function chooseStoreFormat(
  backing: Omit<StoreBacking, 'dataDir' | 'stateDir' | 'minFreeBytes'>,
  runSnapshot: Run<SnapshotOperations>,
  directory: string,
): Promise<LayerFormat> {
  const { trees, verity } = backing;
  const wish = wantedLayerFormat(backing);
  const format =
    formatOnAnyKernel(wish) ?? chooseLayerFormat(await runSnapshot('probeLayerFormats', { directory }), wish).format;
  return { format, verity: LAYER_FORMATS[format].canHaveTree && (trees === 'required' || verity === 'always') };
}
