import { SealiftError } from '../errors/index.ts';
import { LAYER_FORMATS } from './formats.ts';
import type { LayerFormatDefinition, LayerFormatName, LayerKey } from './types.ts';

/** The parts of a key. sha256 and sha512 differ in the length of their hex. */
export interface LayerKeyParts {
  readonly format: LayerFormatName;
  /** See {@link LayerFormatDefinition.writerVersion}. */
  readonly writerVersion: number;
  readonly kind: 'diffid' | 'chain';
  readonly hex: string;
  /** 64 hex digits that separate encrypted layers of different keys; undefined for plain layers. */
  readonly domain: string | undefined;
}

const NAMES = Object.keys(LAYER_FORMATS).join('|');
const KEY = new RegExp(
  `^(${NAMES})-v([1-9][0-9]{0,3})-(diffid|chain)-([0-9a-f]{64}(?:[0-9a-f]{64})?)(?:-([0-9a-f]{64}))?$`,
);

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
  if (isFormatName(format) && (kind === 'diffid' || kind === 'chain')) {
    return { format, writerVersion: Number(version), kind, hex, domain };
  }
  throw new SealiftError('STORE_RECORD_CORRUPT', `parse layer key: expected <format>-v<n>-<kind>-<hex>, got "${text}"`);
}

function isFormatName(name: string | undefined): name is LayerFormatName {
  return name !== undefined && Object.hasOwn(LAYER_FORMATS, name);
}

/** Returns the format of a key. */
export function layerFormatOf(key: LayerKey): LayerFormatDefinition {
  return LAYER_FORMATS[parseLayerKey(key).format];
}

/** Returns the name that a published layer has in a backing. */
export function layerFileName(key: LayerKey): string {
  return `${key}${layerFormatOf(key).fileSuffix}`;
}

/** Inverse of {@link layerFileName}; undefined for a name that no layer has. */
export function layerKeyOf(fileName: string): LayerKey | undefined {
  for (const { fileSuffix } of Object.values(LAYER_FORMATS)) {
    const key = fileName.slice(0, fileName.length - fileSuffix.length);
    if (isLayerKey(key) && layerFileName(key) === fileName) return key;
  }
  return undefined;
}
