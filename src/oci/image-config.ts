import { prefixError, SealiftError } from '../errors/index.ts';
import { LIMITS } from '../limits/index.ts';
import type { Descriptor } from './descriptor.ts';
import { type Digest, parseDigest } from './digest.ts';
import { hashBytes } from './hash-bytes.ts';
import type { ImageManifest } from './manifest.ts';
import { isJsonObject, parseStrictJson } from './parse-json.ts';
import { imageConfigSchema, type RawImageConfig, readDocument, refuseKeyVariants } from './schema.ts';

/** How the image wants to be run; absent and null members are empty. All of it is attacker-controlled text. */
export interface RuntimeDefaults {
  /** As written: `user[:group]`, names or numbers; empty for root. */
  readonly user: string;
  /** `NAME=value`, in order, without NUL. */
  readonly env: readonly string[];
  readonly entrypoint: readonly string[];
  readonly cmd: readonly string[];
  readonly workingDir: string;
  /** Without prototype. */
  readonly labels: Readonly<Record<string, string>>;
  /** `80/tcp` … */
  readonly exposedPorts: readonly string[];
  readonly volumes: readonly string[];
  readonly stopSignal: string | undefined;
}

export interface ImageConfig {
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

/** A blob and what it must uncompress to. */
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
  ...['User', 'Env', 'Entrypoint', 'Cmd', 'WorkingDir', 'Labels', 'ExposedPorts', 'Volumes', 'StopSignal'],
];

const REQUIRED_KEYS = ['os', 'architecture', 'rootfs'];

/** An artifact may call its config that of an image. */
function assertImageConfig(document: unknown): void {
  if (!isJsonObject(document)) throw new SealiftError('CONFIG_INVALID', 'document: expected an object');
  if (REQUIRED_KEYS.some((key) => key in document)) return;
  throw new SealiftError('CONFIG_INVALID', `document: expected ${REQUIRED_KEYS.join(', ')}, got none of them`, {
    hint: 'this is not an image but an artifact with the media types of one; fetch it with the tool that it was made for',
  });
}

function refuseSpellings(document: unknown): void {
  if (!isJsonObject(document)) return;
  refuseKeyVariants(document, CONFIG_KEYS, 'CONFIG_INVALID', 'document');
  refuseKeyVariants(document['rootfs'], ROOTFS_KEYS, 'CONFIG_INVALID', 'rootfs');
  refuseKeyVariants(document['config'], RUNTIME_KEYS, 'CONFIG_INVALID', 'config');
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
 * Reads an image config, OCI or Docker. Throws `JSON_INVALID`, `CONFIG_INVALID`, `DIGEST_INVALID`.
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
      ...{ os, architecture, variant, author, created },
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
 * The chainID of each layer upon those below it, lowest first.
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
