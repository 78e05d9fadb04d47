import { SealiftError } from '../errors/index.ts';
import type { ImageSource } from './types.ts';

/**
 * The same place with credentials, and from the first refusal of these on without: an old token hides no public image.
 * `onFallback` is told once. What is refused without them is final.
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
      // Several may be refused at once.
      if (current !== anonymous) onFallback();
      current = anonymous;
      return orElse(anonymous);
    }
  }

  return {
    fetchManifest: (tagOrDigest, signal) => ask((source) => source.fetchManifest(tagOrDigest, signal)),
    fetchSmallBlob: (descriptor, bound, signal) => ask((source) => source.fetchSmallBlob(descriptor, bound, signal)),
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
