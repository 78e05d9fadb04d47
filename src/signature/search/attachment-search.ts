import { SealiftError } from '../../errors/index.ts';
import type { RawDocument, SignatureSearch, SignatureSource } from '../types.ts';

/**
 * Digests of the manifests whose signatures were all read, by the way that led to them: one manifest may hold layers of
 * several kinds, of which each way reads its own. A manifest without any that were read is in neither.
 */
export interface KnownManifests {
  readonly tagged: Set<string>;
  readonly referring: Set<string>;
}

/** The search for attached signatures at one endpoint. */
export interface AttachmentSearch extends Pick<SignatureSearch, 'budget' | 'limits' | 'signal'> {
  readonly source: SignatureSource;
  /** What was read already, here or at another endpoint. */
  readonly known: KnownManifests;
}

/** Returns the document of a tag; undefined only when the endpoint says that it is not there. */
export async function fetchTagged(
  tag: string,
  { source, signal }: Pick<AttachmentSearch, 'source' | 'signal'>,
): Promise<RawDocument | undefined> {
  try {
    return await source.fetchManifest(tag, signal);
  } catch (error) {
    if (isNotThere(error)) return undefined;
    throw error;
  }
}

function isNotThere(error: unknown): boolean {
  if (!(error instanceof SealiftError)) return false;
  return error.code === 'REGISTRY_MANIFEST_UNKNOWN' || error.code === 'ARCHIVE_IMAGE_UNKNOWN';
}
