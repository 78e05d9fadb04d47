import { prefixError, SealiftError } from '../errors/index.ts';
import type { SizeBound } from '../limits/index.ts';
import {
  type Descriptor,
  type Digest,
  digestAlgorithm,
  digestHex,
  type FileReference,
  type ImageIndex,
  type ImageSelector,
  isDigest,
  parseManifestDocument,
  parseStrictJson,
  referrersTag,
} from '../oci/index.ts';
import type { FetchedDocument, ReferrersPage } from '../registry/index.ts';
import { chooseEntry, nameOf } from './choose-image.ts';
import { type DocumentBound, findExisting, readDocument } from './file-tree.ts';
import { layoutSchema } from './schema.ts';
import type { ArchivePorts, FileOffer, FileSupply, FileTree } from './types.ts';
import { verifyDocument } from './verify-document.ts';

const VERSION = '1.0.0';

// https://github.com/opencontainers/image-spec/blob/v1.1.1/image-layout.md#blobs
function blobPath(digest: Digest): string {
  return `blobs/${digestAlgorithm(digest)}/${digestHex(digest)}`;
}

/**
 * Reads an OCI image layout, in a directory or in a tar.
 * https://github.com/opencontainers/image-spec/blob/v1.1.1/image-layout.md
 */
export class LayoutSupply implements FileSupply {
  readonly #reference: FileReference;
  readonly #files: FileTree;
  readonly #ports: ArchivePorts;
  readonly #manifestBound: DocumentBound;
  #checked: Promise<void> | undefined;

  constructor(reference: FileReference, files: FileTree, ports: ArchivePorts) {
    this.#reference = reference;
    this.#files = files;
    this.#ports = ports;
    this.#manifestBound = { limit: 'maxManifestBytes', maxBytes: ports.limits.maxManifestBytes };
  }

  async fetchManifest(tagOrDigest: string): Promise<FetchedDocument> {
    await this.#check();
    if (isDigest(tagOrDigest)) return this.#fetchByDigest(tagOrDigest);
    return this.#fetchSelected(this.#reference.selector);
  }

  async fetchNamed(name: string): Promise<FetchedDocument> {
    await this.#check();
    return this.#fetchSelected({ kind: 'name', name });
  }

  /** index.json has them among its entries. Some tools write a list of its own beside it, as into a registry. */
  async fetchReferrers(digest: Digest, page: string | undefined): Promise<ReferrersPage> {
    if (page !== undefined) {
      const { rawBytes, contentType } = await this.fetchNamed(page);
      return { rawBytes, contentType, next: undefined };
    }
    await this.#check();
    const { manifests } = await this.#readIndex();
    const tag = referrersTag(digest);
    const next = manifests.some((entry) => nameOf(entry) === tag) ? tag : undefined;
    return { rawBytes: await this.#readRawIndex(), contentType: '', next };
  }

  async #check(): Promise<void> {
    this.#checked ??= this.#assertLayout();
    await this.#checked;
  }

  async #fetchSelected(selector: ImageSelector): Promise<FetchedDocument> {
    const { manifests } = await this.#readIndex();
    const { digest, size, mediaType } = chooseEntry(manifests, selector);
    const rawBytes = await this.#readBlob(digest, this.#manifestBound);
    verifyDocument(rawBytes, { digest, size }, 'MANIFEST_DIGEST_MISMATCH');
    return { rawBytes, digest, contentType: mediaType };
  }

  async fetchSmallBlob({ digest, size }: Descriptor, bound: SizeBound): Promise<Uint8Array> {
    const bytes = await this.#readBlob(digest, bound);
    verifyDocument(bytes, { digest, size }, 'BLOB_DIGEST_MISMATCH');
    return bytes;
  }

  async offerBlob({ digest, unsafeUrls = [] }: Descriptor): Promise<FileOffer> {
    if (unsafeUrls.length > 0 && (await this.#files.find(blobPath(digest))) === undefined) {
      throw new SealiftError('LAYER_FOREIGN_REFUSED', `foreign layer ${digest}: expected a file with it, got none`, {
        context: { digest },
        hint: 'an image in files is never completed over the network; pull this image from its registry',
      });
    }
    return { file: await findExisting(this.#files, blobPath(digest)), compression: undefined };
  }

  remarks(): readonly string[] {
    return [];
  }

  async #fetchByDigest(digest: Digest): Promise<FetchedDocument> {
    const isPinned = digest === this.#reference.digest;
    if (isPinned && (await this.#files.find(blobPath(digest))) === undefined) {
      throw new SealiftError('ARCHIVE_IMAGE_UNKNOWN', `expected the image ${digest}, got none with that digest`, {
        context: { expected: digest },
      });
    }
    const rawBytes = await this.#readBlob(digest, this.#manifestBound);
    verifyDocument(rawBytes, { digest }, 'MANIFEST_DIGEST_MISMATCH');
    return { rawBytes, digest, contentType: '' };
  }

  async #assertLayout(): Promise<void> {
    const raw = await readDocument(this.#files, { path: 'oci-layout', bound: this.#manifestBound }, this.#ports);
    const marker = layoutSchema.safeParse(parseMarker(raw));
    if (!marker.success) {
      throw new SealiftError('ARCHIVE_INVALID', 'oci-layout: expected an object with imageLayoutVersion');
    }
    const { imageLayoutVersion: actual } = marker.data;
    if (actual === VERSION) return;
    throw new SealiftError('ARCHIVE_UNSUPPORTED', `oci-layout: expected version ${VERSION}, got "${actual}"`, {
      context: { expected: VERSION, actual },
    });
  }

  async #readIndex(): Promise<ImageIndex> {
    const raw = await this.#readRawIndex();
    try {
      const parsed = parseManifestDocument(raw, '', this.#ports.limits);
      if (parsed.kind === 'index') return parsed.index;
    } catch (error) {
      throw prefixError('index.json', error);
    }
    throw new SealiftError('ARCHIVE_INVALID', 'index.json: expected an index, got a manifest');
  }

  #readRawIndex(): Promise<Uint8Array> {
    return readDocument(this.#files, { path: 'index.json', bound: this.#manifestBound }, this.#ports);
  }

  #readBlob(digest: Digest, bound: DocumentBound): Promise<Uint8Array> {
    return readDocument(this.#files, { path: blobPath(digest), bound }, this.#ports);
  }
}

function parseMarker(raw: Uint8Array): unknown {
  try {
    return parseStrictJson(raw);
  } catch (error) {
    throw prefixError('oci-layout', error);
  }
}
