import { createHash } from 'node:crypto';
import { SealiftError } from '../errors/index.ts';
import { chainIds, type Digest, digestHex } from '../oci/index.ts';
import { formatLayerKey, type LayerKeyParts } from './layer-key.ts';
import type { LayerKey } from './types.ts';

interface ChainMember {
  readonly diffId: Digest;
  readonly domain: string | undefined;
}

/**
 * Returns the key of the topmost of `layers`, given bottom to top, for a copy written with the layers below in view. The
 * hex is the chainID. The domain covers those of all members, so that a pull without the keys of every encrypted layer
 * never finds the copy.
 * https://github.com/opencontainers/image-spec/blob/v1.1.1/config.md#layer-chainid
 */
export function chainLayerKey(
  format: Pick<LayerKeyParts, 'format' | 'writerVersion'>,
  layers: readonly ChainMember[],
): LayerKey {
  const chainId = chainIds(layers.map(({ diffId }) => diffId)).at(-1);
  if (chainId === undefined)
    throw new SealiftError('INTERNAL', 'format chain key: expected at least one layer, got none');
  const isPlain = layers.every(({ domain }) => domain === undefined);
  const domain = isPlain ? undefined : sha256(layers.map((layer) => layer.domain ?? '').join(' '));
  return formatLayerKey({ ...format, kind: 'chain', hex: digestHex(chainId), domain });
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
