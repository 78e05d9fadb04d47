import { SealiftError } from '../errors/index.ts';
import { isPrivateHost, type TransportSettings } from '../http/index.ts';
import type { Descriptor } from '../oci/index.ts';
import type { ImageSource } from './types.ts';

/** Where a layer blob is to be had from. */
export interface BlobPlace {
  /** For messages: host and repository, or the address that an image names. */
  readonly name: string;
  readonly source: Pick<ImageSource, 'blobRequest' | 'renewBlobRequest'>;
  /** Of the requests that workers send there. */
  readonly transport: TransportSettings;
}

/** The host that serves the image, in a URL: one on a private network may name others there. */
function hostnameOf(endpoint: string): string {
  return URL.parse(`https://${endpoint}`)?.hostname ?? '';
}

/**
 * An address that an image names is attacker-controlled, and whoever answers there gets nothing but the request: no
 * credentials, not even when it asks for some. https://nvd.nist.gov/vuln/detail/CVE-2020-15157
 */
function parseForeignUrl(unsafeUrl: string, endpoint: string): URL | undefined {
  const url = URL.parse(unsafeUrl);
  if (url === null || url.protocol !== 'https:' || url.username !== '' || url.password !== '') return undefined;
  return isPrivateHost(url.hostname) && !isPrivateHost(hostnameOf(endpoint)) ? undefined : url;
}

function createForeignSource(url: URL): BlobPlace['source'] {
  const { href } = url;
  return {
    blobRequest: async () => ({ url: href, method: 'GET', headers: { accept: '*/*' }, allowHttp: false }),
    renewBlobRequest: async () => {
      throw new SealiftError('REGISTRY_AUTH_REJECTED', `GET ${href}: status 401, and images get no credentials sent`, {
        hint: 'the address of a foreign layer must be open to anybody; push the image with its foreign layers',
      });
    },
  };
}

/**
 * The addresses at which a foreign layer lies besides: asked after the places of the image, of which `endpoint` is the
 * last. Those that are no https URL are left out, and so are private ones that a public registry's image names.
 */
export function foreignPlaces(
  { unsafeUrls = [] }: Descriptor,
  endpoint: string,
  transport: TransportSettings | undefined,
): readonly BlobPlace[] {
  if (transport === undefined) return [];
  const urls = unsafeUrls.map((unsafeUrl) => parseForeignUrl(unsafeUrl, endpoint)).filter((url) => url !== undefined);
  return urls.map((url) => ({ name: `${url.origin}${url.pathname}`, source: createForeignSource(url), transport }));
}

/** What to say instead of an error when nobody has a foreign layer; undefined when the error says it. */
export function explainForeignLayer(
  { digest, unsafeUrls = [] }: Descriptor,
  places: readonly BlobPlace[],
  isAllowed: boolean,
  error: SealiftError,
): SealiftError | undefined {
  if (unsafeUrls.length === 0 || error.code !== 'REGISTRY_BLOB_UNKNOWN' || places.length > 0) return undefined;
  const count = unsafeUrls.length === 1 ? 'its url is' : `its ${unsafeUrls.length} urls are`;
  const why = isAllowed ? 'no https address of a public host' : 'not asked, since nobody has allowed it';
  const [first = ''] = unsafeUrls;
  return new SealiftError(
    'LAYER_FOREIGN_REFUSED',
    `foreign layer ${digest}: the registry lacks it, and ${count} ${why}`,
    {
      context: { digest, url: first },
      cause: error,
      ...(isAllowed
        ? { hint: 'push the image with its foreign layers (docker: allow-nondistributable-artifacts)' }
        : {}),
    },
  );
}
