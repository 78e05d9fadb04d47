import { SealiftError } from '../errors/index.ts';
import type { ImageSource } from './types.ts';

/**
 * Returns a source that sends credentials until they are refused for the first time, and none from then on, so that an
 * expired token does not hide a public image. Calls `onFallback` once. A refusal without credentials is final.
 */
export function fallBackAnonymously(
  withCredentials: ImageSource,
  anonymous: ImageSource,
  onFallback: () => void,
): ImageSource {
  let current = withCredentials;

  async function ask<T>(call: (source: ImageSource) => Promise<T>, orElse = call): Promise<T> {
    const asked = current;
    try {
      return await call(asked);
    } catch (error) {
      if (asked === anonymous || !isRefused(error)) throw error;
      // Several requests may be refused at the same time.
      if (current !== anonymous) onFallback();
      current = anonymous;
      return orElse(anonymous);
    }
  }

  return {
    fetchManifest: (tagOrDigest, signal) => ask((source) => source.fetchManifest(tagOrDigest, signal)),
    fetchSmallBlob: (descriptor, bound, signal) => ask((source) => source.fetchSmallBlob(descriptor, bound, signal)),
    fetchSignatureList: (digest, signal) => ask((source) => source.fetchSignatureList(digest, signal)),
    fetchReferrers: (digest, page, signal) => ask((source) => source.fetchReferrers(digest, page, signal)),
    blobRequest: (descriptor, signal) => ask((source) => source.blobRequest(descriptor, signal)),
    renewBlobRequest: (descriptor, challenge, signal) =>
      ask(
        (source) => source.renewBlobRequest(descriptor, challenge, signal),
        (source) => source.blobRequest(descriptor, signal),
      ),
  };
}

function isRefused(error: unknown): boolean {
  return error instanceof SealiftError && error.code === 'REGISTRY_AUTH_REJECTED';
}
