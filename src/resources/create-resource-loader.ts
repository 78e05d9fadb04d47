import { assertNever, prefixError, SealiftError } from '../errors/index.ts';
import { loadFile } from './load-file.ts';
import { locateResource } from './locate-resource.ts';
import type { LoadOptions, ResourceBroker, ResourceLoader, ResourceRequest, WaitForName } from './types.ts';

/**
 * The loader of both programs: files of this machine, documents that are part of the configuration, and those of the key
 * broker. `openBroker` is called for the first document that needs it; without it such a document is refused.
 */
export function createResourceLoader(openBroker?: () => Promise<ResourceBroker>): ResourceLoader {
  let broker: Promise<ResourceBroker> | undefined;
  const ask = async (
    uri: string,
    request: ResourceRequest,
    question: (broker: ResourceBroker) => Promise<Uint8Array>,
  ): Promise<Uint8Array> => {
    if (openBroker === undefined) return refuse(uri, request, 'a document of the key broker cannot be fetched');
    broker ??= openBroker();
    const opening = broker;
    const opened = await opening.catch((error: unknown) => {
      // The next document tries again.
      if (broker === opening) broker = undefined;
      throw error;
    });
    return bound(await namingDocument(question(opened), request), request);
  };
  return {
    load: async (uri, request) => {
      const location = locateResource(uri);
      switch (location.kind) {
        case 'file':
          request.onSource?.('file');
          return loadFile(location.path, request);
        case 'inline':
          request.onSource?.('inline');
          // Its size was bounded with that of the document that it was a part of.
          return Buffer.from(location.base64, 'base64');
        case 'broker':
          return ask(uri, request, (opened) => opened.fetchResource(location.resource, request));
        case 'sealed':
          return ask('a sealed secret', request, (opened) => opened.unsealSecret(location.secret, request));
        case 'unknown':
          return refuse(uri, request, location.expected);
        default:
          return assertNever(location, 'resource location');
      }
    },
  };
}

/** Returns the same loader, which waits before a name is looked up. */
export function waitingLoader(resources: ResourceLoader, waitForName: WaitForName): ResourceLoader {
  return { load: (uri, request) => resources.load(uri, { ...request, waitForName }) };
}

/** Returns options for the documents that configuration names. */
export function loadOptions(
  {
    resources,
    limits,
  }: { readonly resources: ResourceLoader; readonly limits: { readonly maxConfigurationBytes: number } },
  signal: AbortSignal,
): LoadOptions {
  return { resources, maxBytes: limits.maxConfigurationBytes, signal };
}

function refuse(uri: string, { what }: ResourceRequest, reason: string): never {
  throw new SealiftError('CONFIG_UNSUPPORTED', `load ${what} ${uri}: ${reason}`, { context: { uri } });
}

/** The key broker does not know what a document is for. */
async function namingDocument(fetching: Promise<Uint8Array>, { what, signal }: ResourceRequest): Promise<Uint8Array> {
  try {
    return await fetching;
  } catch (error) {
    throw signal?.aborted ? error : prefixError(`load ${what}`, error);
  }
}

/** What the key broker delivers was bounded already, with the limit of all its documents. */
function bound(
  bytes: Uint8Array,
  { what, maxBytes, code, limit = 'maxConfigurationBytes' }: ResourceRequest,
): Uint8Array {
  if (bytes.byteLength <= maxBytes) return bytes;
  const message = `load ${what}: expected at most ${maxBytes} bytes from the key broker, got ${bytes.byteLength}`;
  throw new SealiftError(code, message, { context: { limit, expected: maxBytes, actual: bytes.byteLength } });
}
