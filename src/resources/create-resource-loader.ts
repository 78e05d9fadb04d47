import { assertNever, SealiftError } from '../errors/index.ts';
import { loadFile } from './load-file.ts';
import { locateResource } from './locate-resource.ts';
import type { ResourceLoader, ResourceRequest } from './types.ts';

/** The loader of both programs: files of this machine, and documents that are part of the configuration. */
export function createResourceLoader(): ResourceLoader {
  return { load };
}

async function load(uri: string, request: ResourceRequest): Promise<Uint8Array> {
  const location = locateResource(uri);
  switch (location.kind) {
    case 'file':
      return loadFile(location.path, request);
    case 'inline':
      // Its size was bounded with that of the document that it was a part of.
      return Buffer.from(location.base64, 'base64');
    case 'broker':
      return refuse(uri, request, 'a document of the key broker cannot be fetched');
    case 'unknown':
      return refuse(uri, request, 'expected file:// and an absolute path');
    default:
      return assertNever(location, 'resource location');
  }
}

function refuse(uri: string, { what }: ResourceRequest, reason: string): never {
  throw new SealiftError('CONFIG_UNSUPPORTED', `load ${what} ${uri}: ${reason}`, { context: { uri } });
}
