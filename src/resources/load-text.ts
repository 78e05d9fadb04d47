import { SealiftError } from '../errors/index.ts';
import { nameResource } from './locate-resource.ts';
import type { ResourceLoader, ResourceRequest } from './types.ts';

/** Returns a document as text. Throws the code of the request when it is not UTF-8. */
export async function loadText(resources: ResourceLoader, uri: string, request: ResourceRequest): Promise<string> {
  const bytes = await resources.load(uri, request);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    const path = nameResource(uri);
    const message = `load ${request.what} ${path}: expected UTF-8 text`;
    throw new SealiftError(request.code, message, { context: { path }, cause });
  }
}

/** The same for a document that need not be there; undefined: it is absent. */
export function loadTextIfPresent(
  resources: ResourceLoader,
  uri: string,
  request: ResourceRequest,
): Promise<string | undefined> {
  return orAbsent(loadText(resources, uri, request));
}

/** The same for the bytes of a document. */
export function loadIfPresent(
  resources: ResourceLoader,
  uri: string,
  request: ResourceRequest,
): Promise<Uint8Array | undefined> {
  return orAbsent(resources.load(uri, request));
}

async function orAbsent<T>(loading: Promise<T>): Promise<T | undefined> {
  try {
    return await loading;
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
}

/** True for a failure that says that there is no such file. */
export function isAbsent(error: unknown): boolean {
  const cause = error instanceof SealiftError ? error.cause : undefined;
  return cause instanceof Error && 'code' in cause && cause.code === 'ENOENT';
}
