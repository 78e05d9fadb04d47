import { prefixError, SealiftError } from '../errors/index.ts';
import {
  type Descriptor,
  type Digest,
  digestAlgorithm,
  type FileReference,
  hashBytes,
  isDigest,
  isJsonObject,
  parseImageConfig,
  parseStrictJson,
  refuseKeyVariants,
} from '../oci/index.ts';
import type { FetchedDocument } from '../registry/index.ts';
import { chooseItem } from './choose-image.ts';
import {
  DOCKER_MANIFEST,
  type DockerLayer,
  describeLayer,
  formatDockerManifest,
  pairLayers,
} from './docker-manifest.ts';
import { findExisting, readDocument } from './file-tree.ts';
import { type DockerManifestItem, dockerManifestSchema } from './schema.ts';
import type { ArchivePorts, FileOffer, FileSupply, FileTree } from './types.ts';
import { verifyDocument } from './verify-document.ts';

const MANIFEST = 'manifest.json';
const ITEM_KEYS = ['Config', 'RepoTags', 'Layers'];

/** One image of the archive, with the manifest that Sealift makes for it. */
interface DockerImage {
  readonly rawManifest: Uint8Array;
  readonly rawConfig: Uint8Array;
  readonly layers: ReadonlyMap<Digest, DockerLayer>;
}

/** Reads what `docker save` writes. https://github.com/moby/docker-image-spec/blob/v1.3.1/spec.md */
export class DockerSupply implements FileSupply {
  readonly #reference: FileReference;
  readonly #files: FileTree;
  readonly #ports: ArchivePorts;
  #image: Promise<DockerImage> | undefined;

  constructor(reference: FileReference, files: FileTree, ports: ArchivePorts) {
    this.#reference = reference;
    this.#files = files;
    this.#ports = ports;
  }

  async fetchManifest(tagOrDigest: string): Promise<FetchedDocument> {
    const { rawManifest: rawBytes } = await this.#open();
    const wanted = isDigest(tagOrDigest) ? tagOrDigest : undefined;
    if (wanted !== undefined) verifyDocument(rawBytes, { digest: wanted }, 'MANIFEST_DIGEST_MISMATCH');
    const algorithm = wanted === undefined ? 'sha256' : digestAlgorithm(wanted);
    return { rawBytes, digest: hashBytes(rawBytes, algorithm), contentType: DOCKER_MANIFEST };
  }

  async fetchSmallBlob({ digest, size }: Descriptor): Promise<Uint8Array> {
    const { rawConfig } = await this.#open();
    verifyDocument(rawConfig, { digest, size }, 'BLOB_DIGEST_MISMATCH');
    return rawConfig;
  }

  async offerBlob({ digest }: Descriptor): Promise<FileOffer> {
    const layer = (await this.#open()).layers.get(digest);
    if (layer !== undefined) return layer;
    throw new SealiftError('ARCHIVE_MEMBER_MISSING', `layer ${digest}: expected a file with it, got none`, {
      context: { digest },
    });
  }

  async fetchNamed(name: string): Promise<FetchedDocument> {
    throw new SealiftError('ARCHIVE_IMAGE_UNKNOWN', `"${name}": a docker-archive has nothing beside its images`, {
      context: { expected: name },
    });
  }

  async fetchReferrers(): Promise<undefined> {
    return undefined;
  }

  remarks(): readonly string[] {
    return [];
  }

  #open(): Promise<DockerImage> {
    this.#image ??= this.#load();
    return this.#image;
  }

  async #load(): Promise<DockerImage> {
    const { limits } = this.#ports;
    const { Config: configPath, Layers: paths } = chooseItem(await this.#readItems(), this.#reference.selector);
    const configBound = { limit: 'maxConfigBytes', maxBytes: limits.maxConfigBytes } as const;
    const rawConfig = await readDocument(this.#files, { path: configPath, bound: configBound }, this.#ports);
    const layers = await this.#findLayers(paths, rawConfig);
    const config = { digest: hashBytes(rawConfig), size: rawConfig.length };
    const rawManifest = Buffer.from(formatDockerManifest(config, layers));
    return { rawManifest, rawConfig, layers: new Map(layers.map((layer) => [layer.digest, layer])) };
  }

  async #readItems(): Promise<readonly DockerManifestItem[]> {
    const bound = { limit: 'maxManifestBytes', maxBytes: this.#ports.limits.maxManifestBytes } as const;
    const raw = await readDocument(this.#files, { path: MANIFEST, bound }, this.#ports);
    try {
      return parseItems(raw, this.#ports.limits.maxJsonDepth);
    } catch (error) {
      throw prefixError(MANIFEST, error);
    }
  }

  async #findLayers(paths: readonly string[], rawConfig: Uint8Array): Promise<readonly DockerLayer[]> {
    const { maxLayers, maxJsonDepth } = this.#ports.limits;
    if (paths.length > maxLayers) {
      throw new SealiftError('LAYER_LIMIT_EXCEEDED', `expected at most ${maxLayers} layers, got ${paths.length}`, {
        context: { limit: 'maxLayers', expected: maxLayers, actual: paths.length },
      });
    }
    const { diffIds } = parseImageConfig(rawConfig, maxJsonDepth).rootfs;
    const found = new Map<Digest, DockerLayer>();
    const layers: DockerLayer[] = [];
    for (const { path, diffId } of pairLayers(paths, diffIds)) {
      // The same diffID twice is the same layer, so the second path is not read.
      const layer = found.get(diffId) ?? (await this.#findLayer(path, diffId));
      found.set(diffId, layer);
      layers.push(layer);
    }
    return layers;
  }

  async #findLayer(path: string, diffId: Digest): Promise<DockerLayer> {
    const file = await findExisting(this.#files, path);
    try {
      return describeLayer(file, await this.#ports.runOperation('examineLayer', { file }), diffId);
    } catch (error) {
      throw prefixError(path, error);
    }
  }
}

function parseItems(raw: Uint8Array, maxDepth: number): readonly DockerManifestItem[] {
  const document = parseStrictJson(raw, { maxDepth });
  for (const item of Array.isArray(document) ? document : []) {
    if (isJsonObject(item)) {
      refuseKeyVariants(item, { knownKeys: ITEM_KEYS, code: 'ARCHIVE_INVALID', where: 'item' });
    }
  }
  const items = dockerManifestSchema.safeParse(document);
  if (items.success) return items.data;
  const [issue] = items.error.issues;
  throw new SealiftError(
    'ARCHIVE_INVALID',
    `${issue?.path.join('.') || 'document'}: ${issue?.message ?? 'unreadable'}`,
  );
}
