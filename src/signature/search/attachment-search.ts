import { SealiftError } from '../../errors/index.ts';
import type { RawDocument, SignatureSearch, SignatureSource } from '../types.ts';

/** The search for attached signatures at one endpoint. */
export interface AttachmentSearch extends Pick<SignatureSearch, 'budget' | 'limits' | 'signal'> {
  readonly source: SignatureSource;
  /** Digests of the manifests whose signatures were all read, here or at another endpoint. */
  readonly known: Set<string>;
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
