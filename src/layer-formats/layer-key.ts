import { createHash } from 'node:crypto';
import { SealiftError } from '../errors/index.ts';
import { chainIds, type Digest, digestHex } from '../oci/index.ts';
import type { LayerKey } from '../store/types.ts';

export type LayerFormat = 'directory' | 'erofs';

/** What a key says. sha256 and sha512 differ in the length of their hex. */
export interface LayerKeyParts {
  readonly format: LayerFormat;
  /** Changes whenever the writer makes another tree of the same bytes. */
  readonly writerVersion: number;
  readonly kind: 'diffid' | 'chain';
  readonly hex: string;
  /** 64 hex digits that separate encrypted layers of different keys; undefined for plain layers. */
  readonly domain: string | undefined;
}

const KEY = /^(directory|erofs)-v([1-9][0-9]{0,3})-(diffid|chain)-([0-9a-f]{64}(?:[0-9a-f]{64})?)(?:-([0-9a-f]{64}))?$/;

export function formatLayerKey(parts: LayerKeyParts): LayerKey {
  const { format, writerVersion, kind, hex, domain } = parts;
  const text = `${format}-v${writerVersion}-${kind}-${hex}${domain === undefined ? '' : `-${domain}`}`;
  if (isLayerKey(text)) return text;
  throw new SealiftError('INTERNAL', `format layer key: expected a well-formed key, got "${text}"`);
}

export function isLayerKey(text: string): text is LayerKey {
  return KEY.test(text);
}

/** Throws `STORE_RECORD_CORRUPT`. */
export function parseLayerKey(text: string): LayerKeyParts {
  const [, format, version, kind, hex = '', domain] = KEY.exec(text) ?? [];
  if ((format === 'directory' || format === 'erofs') && (kind === 'diffid' || kind === 'chain')) {
    return { format, writerVersion: Number(version), kind, hex, domain };
  }
  throw new SealiftError('STORE_RECORD_CORRUPT', `parse layer key: expected <format>-v<n>-<kind>-<hex>, got "${text}"`);
}

interface ChainMember {
  readonly diffId: Digest;
  readonly domain: string | undefined;
}

/**
 * Key of the topmost of `layers`, bottom to top, written with what lies below it in view. The hex is the chainID; the
 * domain covers those of all members, so that bytes of an encrypted layer are never found by who cannot decrypt it.
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
