import { SealiftError } from '../errors/index.ts';
import { isPrivateHost, type TransportSettings } from '../http/index.ts';
import type { Descriptor } from '../oci/index.ts';
import type { ImageSource } from './types.ts';

/** Where a layer blob can be fetched: a registry, a mirror, or an address that the image names. */
export interface BlobEndpoint {
  /** Shown in messages: host and repository, or the address that an image names. */
  readonly name: string;
  readonly source: Pick<ImageSource, 'blobRequest' | 'renewBlobRequest'>;
  /** How workers send their requests there. */
  readonly transport: TransportSettings;
}

/** The host that serves the image, in a URL: one on a private network may name others there. */
function hostnameOf(endpoint: string): string {
  return URL.parse(`https://${endpoint}`)?.hostname ?? '';
}

/**
 * An address that an image names is attacker-controlled. Its server receives nothing but the request: no credentials,
 * not even when it asks for some. https://nvd.nist.gov/vuln/detail/CVE-2020-15157
 */
function parseForeignUrl(unsafeUrl: string, endpoint: string): URL | undefined {
  const url = URL.parse(unsafeUrl);
  if (url === null || url.protocol !== 'https:' || url.username !== '' || url.password !== '') return undefined;
  return isPrivateHost(url.hostname) && !isPrivateHost(hostnameOf(endpoint)) ? undefined : url;
}

function createForeignSource(url: URL): BlobEndpoint['source'] {
  const { href } = url;
  return {
    blobRequest: async () => ({ url: href, method: 'GET', headers: { accept: '*/*' }, allowHttp: false }),
    renewBlobRequest: async () => {
      const message = `GET ${href}: status 401; an address that an image names is sent no credentials`;
      throw new SealiftError('REGISTRY_AUTH_REJECTED', message, {
        hint: 'a foreign layer must be public at its address; otherwise push the image with its foreign layers',
      });
    },
  };
}

/**
 * Returns the addresses that a foreign layer names, to be asked after the image's own endpoints, of which `endpoint` is
 * the last. Addresses that are no https URL are not among them, nor private ones that a public registry's image names.
 */
export function foreignEndpoints(
  { unsafeUrls = [] }: Descriptor,
  endpoint: string,
  transport: TransportSettings | undefined,
): readonly BlobEndpoint[] {
  if (transport === undefined) return [];
  const urls = unsafeUrls.map((unsafeUrl) => parseForeignUrl(unsafeUrl, endpoint)).filter((url) => url !== undefined);
  return urls.map((url) => ({ name: `${url.origin}${url.pathname}`, source: createForeignSource(url), transport }));
}

export interface ForeignFailure {
  readonly descriptor: Descriptor;
  /** The addresses that were asked. */
  readonly endpoints: readonly BlobEndpoint[];
  /** Whether addresses that an image names may be asked at all. */
  readonly isAllowed: boolean;
  readonly error: SealiftError;
}

/**
 * Returns the error to report when no endpoint has a foreign layer and none of its addresses was asked; undefined when
 * the endpoint's own error says it all.
 */
export function explainForeignLayer({
  descriptor,
  endpoints,
  isAllowed,
  error,
}: ForeignFailure): SealiftError | undefined {
  const { digest, unsafeUrls = [] } = descriptor;
  if (unsafeUrls.length === 0 || error.code !== 'REGISTRY_BLOB_UNKNOWN' || endpoints.length > 0) return undefined;
  const urls = unsafeUrls.length === 1 ? 'its url was' : `its ${unsafeUrls.length} urls were`;
  const why = isAllowed ? 'no https address of a public host' : 'foreign urls are not allowed';
  const [first = ''] = unsafeUrls;
  const message = `foreign layer ${digest}: the registry does not have it, and ${urls} not asked: ${why}`;
  return new SealiftError('LAYER_FOREIGN_REFUSED', message, {
    context: { digest, url: first },
    cause: error,
    ...(isAllowed ? { hint: 'push the image with its foreign layers (docker: allow-nondistributable-artifacts)' } : {}),
  });
}
