import type { Registries } from '../config/index.ts';
import type { EndpointAccess } from '../endpoints/index.ts';
import { formatRepositoryName, parseReference } from '../oci/index.ts';
import type { ImageEndpoint, ImageView, NetworkSources } from './network-types.ts';
import { tryTo } from './trouble.ts';

export interface ViewedImages {
  readonly images: readonly ImageView[];
  /** How to reach the endpoints in `images`. */
  readonly access: ReadonlyMap<ImageEndpoint, EndpointAccess>;
}

/** Returns where pulls of the images would ask, for each full name that an image stands for. */
export async function viewImages(sources: NetworkSources, registries: Registries): Promise<ViewedImages> {
  const images: ImageView[] = [];
  const access = new Map<ImageEndpoint, EndpointAccess>();
  for (const image of sources.images) {
    const names = await tryTo(() => sources.namesOf(image, registries));
    if ('trouble' in names) {
      images.push({ image, refusal: names.trouble });
      continue;
    }
    for (const name of names.value) {
      const found = await tryTo(() => sources.findEndpoints(registries)(parseReference(name), sources.signal));
      if ('trouble' in found) {
        images.push({ image: name, refusal: found.trouble });
        continue;
      }
      const endpoints = await viewEndpoints(found.value, sources);
      for (const [view, endpoint] of endpoints) access.set(view, endpoint);
      images.push({ image: name, endpoints: [...endpoints.keys()] });
    }
  }
  return { images, access };
}

async function viewEndpoints(
  endpoints: readonly EndpointAccess[],
  sources: NetworkSources,
): Promise<ReadonlyMap<ImageEndpoint, EndpointAccess>> {
  const views = new Map<ImageEndpoint, EndpointAccess>();
  for (const [index, endpoint] of endpoints.entries()) {
    const { reference } = endpoint;
    const view: ImageEndpoint = {
      name: formatRepositoryName(reference),
      host: reference.domain,
      use: index + 1 < endpoints.length ? 'mirror' : 'registry',
      credentials: await originOfCredentials(endpoint, sources),
    };
    views.set(view, endpoint);
  }
  return views;
}

async function originOfCredentials(
  { reference, credentials }: EndpointAccess,
  { locateCredentials, secretsFrom }: NetworkSources,
): Promise<string | undefined> {
  if (credentials === undefined) return undefined;
  const found = await locateCredentials(reference);
  if (found === undefined) return secretsFrom(reference.domain);
  const { path, source } = found;
  return source.kind === 'known' ? path : `docker-credential-${source.helper.name}, which ${path} names`;
}
