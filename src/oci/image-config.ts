import { prefixError, SealiftError } from '../errors/index.ts';
import { LIMITS } from '../limits/index.ts';
import type { Descriptor } from './descriptor.ts';
import { type Digest, hashBytes, parseDigest } from './digest.ts';
import type { ImageManifest } from './manifest.ts';
import { isJsonObject, parseStrictJson } from './parse-json.ts';
import { imageConfigSchema, type RawImageConfig, readDocument, refuseKeyVariants } from './schema.ts';

/** How the image asks to be run. Absent and null members are empty. All values are attacker-controlled. */
export interface RuntimeDefaults {
  /** As written: `user[:group]`, names or numbers; empty for root. */
  readonly user: string;
  /** `NAME=value`, in order. Contains no NUL. */
  readonly env: readonly string[];
  readonly entrypoint: readonly string[];
  readonly cmd: readonly string[];
  readonly workingDir: string;
  /** Has no prototype. */
  readonly labels: Readonly<Record<string, string>>;
  /** For example `80/tcp`. */
  readonly exposedPorts: readonly string[];
  readonly volumes: readonly string[];
  readonly stopSignal: string | undefined;
}

export interface ImageConfig {
  /** Empty if the config names none, as that of a builder that knows it only from the index. */
  readonly os: string;
  readonly architecture: string;
  readonly variant: string | undefined;
  readonly author: string | undefined;
  readonly created: string | undefined;
  readonly osVersion: string | undefined;
  readonly osFeatures: readonly string[];
  /** Lowest layer first. */
  readonly rootfs: { readonly diffIds: readonly Digest[] };
  readonly config: RuntimeDefaults;
}

/** A layer blob and the digest of its uncompressed bytes. */
export interface ImageLayer {
  readonly descriptor: Descriptor;
  readonly diffId: Digest;
}

const CONFIG_KEYS = [
  'os',
  'architecture',
  'variant',
  'author',
  'created',
  'os.version',
  'os.features',
  'rootfs',
  'config',
];
const ROOTFS_KEYS = ['type', 'diff_ids'];
const RUNTIME_KEYS = [
  'User',
  'Env',
  'Entrypoint',
  'Cmd',
  'WorkingDir',
  'Labels',
  'ExposedPorts',
  'Volumes',
  'StopSignal',
];

const REQUIRED_KEYS = ['os', 'architecture', 'rootfs'];

/** Refuses a document without any required key: an artifact may give its config the media type of an image config. */
function assertImageConfig(document: unknown): void {
  if (!isJsonObject(document)) throw new SealiftError('CONFIG_INVALID', 'document: expected an object');
  if (REQUIRED_KEYS.some((key) => key in document)) return;
  throw new SealiftError('CONFIG_INVALID', `document: expected ${REQUIRED_KEYS.join(', ')}, got none of them`, {
    hint: 'this is not an image but an artifact with the media types of one; fetch it with the tool that it was made for',
  });
}

function refuseSpellings(document: unknown): void {
  if (!isJsonObject(document)) return;
  const code = 'CONFIG_INVALID';
  refuseKeyVariants(document, { knownKeys: CONFIG_KEYS, code, where: 'document' });
  refuseKeyVariants(document['rootfs'], { knownKeys: ROOTFS_KEYS, code, where: 'rootfs' });
  refuseKeyVariants(document['config'], { knownKeys: RUNTIME_KEYS, code, where: 'config' });
}

function toRuntimeDefaults(raw: RawImageConfig['config']): RuntimeDefaults {
  return {
    user: raw?.User ?? '',
    env: raw?.Env ?? [],
    entrypoint: raw?.Entrypoint ?? [],
    cmd: raw?.Cmd ?? [],
    workingDir: raw?.WorkingDir ?? '',
    labels: raw?.Labels ?? Object.create(null),
    exposedPorts: raw?.ExposedPorts ?? [],
    volumes: raw?.Volumes ?? [],
    stopSignal: raw?.StopSignal,
  };
}

/**
 * Parses an image config, OCI or Docker. Throws `JSON_INVALID`, `CONFIG_INVALID`, `DIGEST_INVALID`.
 * https://github.com/opencontainers/image-spec/blob/v1.1.1/config.md
 */
export function parseImageConfig(
  rawBytes: Uint8Array,
  maxJsonDepth: number = LIMITS.maxJsonDepth.default,
): ImageConfig {
  try {
    const document = parseStrictJson(rawBytes, { maxDepth: maxJsonDepth });
    refuseSpellings(document);
    assertImageConfig(document);
    const raw = readDocument(imageConfigSchema, document, 'CONFIG_INVALID');
    const { os, architecture, variant, author, created } = raw;
    const diffIds = raw.rootfs.diff_ids.map(parseDigest);
    return {
      os,
      architecture,
      variant,
      author,
      created,
      osVersion: raw['os.version'],
      osFeatures: raw['os.features'],
      rootfs: { diffIds },
      config: toRuntimeDefaults(raw.config),
    };
  } catch (error) {
    throw prefixError('image config', error);
  }
}

/** Pairs each layer of the manifest with its diffID, lowest first. Throws `CONFIG_INVALID` when the counts differ. */
export function matchDiffIds(manifest: ImageManifest, config: ImageConfig): readonly ImageLayer[] {
  const { diffIds } = config.rootfs;
  const expected = manifest.layers.length;
  if (diffIds.length !== expected) {
    throw new SealiftError('CONFIG_INVALID', `image config: expected ${expected} diff_ids, got ${diffIds.length}`, {
      context: { expected, actual: diffIds.length },
    });
  }
  return manifest.layers.flatMap((descriptor, position) => {
    const diffId = diffIds[position];
    return diffId === undefined ? [] : [{ descriptor, diffId }];
  });
}

/**
 * Returns the chainID of each layer, lowest first. It covers the layer and all layers below it.
 * https://github.com/opencontainers/image-spec/blob/v1.1.1/config.md#layer-chainid
 */
export function chainIds(diffIds: readonly Digest[]): readonly Digest[] {
  const chain: Digest[] = [];
  for (const diffId of diffIds) {
    const below = chain.at(-1);
    chain.push(below === undefined ? diffId : hashBytes(`${below} ${diffId}`));
  }
  return chain;
}
