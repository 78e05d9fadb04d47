import { lstat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { SealiftError } from '../errors/index.ts';
import { formatServerWords, type HttpClient, type HttpRequest } from '../http/index.ts';
import { type Limits, limitExceeded } from '../limits/index.ts';
import { loadIfPresent, type ResourceLoader } from '../resources/index.ts';

export interface FetchPorts {
  readonly http: HttpClient;
  readonly resources: ResourceLoader;
  readonly limits: Pick<Limits, 'maxSignatureBytes'>;
  /** Milliseconds until the deadline of the call; undefined: there is none. */
  readonly leftMs: () => number | undefined;
}

/**
 * Returns the bytes at an address of a store; undefined only when nothing is there: no file of that name, or status 404.
 * No request carries credentials. Throws `SIGNATURE_UNAVAILABLE`, `SIGNATURE_LIMIT_EXCEEDED` and `HTTP_*`.
 */
export async function fetchSignature(
  location: URL,
  ports: FetchPorts,
  signal: AbortSignal,
): Promise<Uint8Array | undefined> {
  const { maxSignatureBytes } = ports.limits;
  try {
    return await (location.protocol === 'file:' ? readFile(location, ports, signal) : get(location, ports, signal));
  } catch (error) {
    if (!(error instanceof SealiftError) || error.context['limit'] !== 'maxSignatureBytes') throw error;
    const excess = { limit: 'maxSignatureBytes', expected: maxSignatureBytes, actual: 'more' } as const;
    throw limitExceeded(`bytes of ${location.href}`, excess);
  }
}

async function get(location: URL, ports: FetchPorts, signal: AbortSignal): Promise<Uint8Array | undefined> {
  const { http, limits, leftMs } = ports;
  const left = leftMs();
  const request: HttpRequest = {
    url: location.href,
    method: 'GET',
    headers: { accept: '*/*' },
    allowHttp: location.protocol === 'http:',
    bound: 'maxSignatureBytes',
    ...(left === undefined ? {} : { leftMs: left }),
  };
  const response = await http.fetchDocument(request, limits.maxSignatureBytes, signal);
  const { status, headers, body, decodedBody = body } = response;
  if (status === 200) return decodedBody;
  if (status === 404) return undefined;
  const words = formatServerWords({ headers, excerpt: body }, []);
  const because = status === 401 || status === 403 ? '; a lookaside store is sent no credentials' : '';
  throw new SealiftError('HTTP_STATUS_UNEXPECTED', `GET ${location.href}: status ${status}${words}${because}`, {
    context: { status },
  });
}

async function readFile(location: URL, ports: FetchPorts, signal: AbortSignal): Promise<Uint8Array | undefined> {
  const path = fileURLToPath(location);
  const bytes = await loadIfPresent(ports.resources, path, {
    what: 'signature',
    maxBytes: ports.limits.maxSignatureBytes,
    limit: 'maxSignatureBytes',
    code: 'SIGNATURE_UNAVAILABLE',
    regularOnly: true,
    signal,
  });
  if (bytes === undefined && (await isLink(path))) {
    throw new SealiftError('SIGNATURE_UNAVAILABLE', `load signature ${path}: a link that leads nowhere`, {
      context: { path },
    });
  }
  return bytes;
}

async function isLink(path: string): Promise<boolean> {
  try {
    return (await lstat(path)).isSymbolicLink();
  } catch {
    return false;
  }
}
