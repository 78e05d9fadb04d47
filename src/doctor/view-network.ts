import type { Classified, Registries } from '../config/index.ts';
import { redact, SealiftError } from '../errors/index.ts';
import { createProxyChoice, parseProxy, unreadableExceptions } from '../http/index.ts';
import { askRegistry } from './ask-registry.ts';
import type { NetworkPorts, NetworkSources, NetworkView, ProxyExceptions, ProxySetting } from './network-types.ts';
import { tryTo } from './trouble.ts';
import { type ViewedImages, viewImages } from './view-images.ts';
import { type ProxyOf, type WantedUrl, wantedHosts } from './wanted-hosts.ts';

/** Returns what pulls would do on the network, and how their registries are asked. Connects to no registry by itself. */
export async function viewNetwork(sources: NetworkSources): Promise<NetworkPorts> {
  const { proxy } = sources;
  const found = await tryTo(sources.loadRegistries);
  const registries = 'trouble' in found ? undefined : found.value;
  const viewed: ViewedImages =
    registries === undefined ? { images: [], access: new Map() } : await viewImages(sources, registries);
  return {
    view: {
      proxies: [
        ...(await describeProxy('pull.proxy.https', proxy.https)),
        ...(await describeProxy('pull.proxy.http', proxy.http)),
      ],
      exceptions: describeExceptions(proxy.noProxy),
      registries: 'trouble' in found ? found.trouble : countRules(found.value),
      authfiles: await viewAuthfiles(sources),
      hosts: wantedHosts(wantedUrls(sources, registries, viewed), await proxyChoice(sources)),
      images: viewed.images,
    },
    ask: async (view) => {
      const endpoint = viewed.access.get(view);
      if (endpoint === undefined) throw new SealiftError('INTERNAL', `doctor: unexpected endpoint ${view.name}`);
      return askRegistry(endpoint, sources);
    },
  };
}

/** Returns the programs that a pull would run for credentials, and the PATH that it looks for them in. */
export async function viewHelpers(
  sources: Pick<NetworkSources, 'helperPath' | 'findHelpers'>,
): Promise<{ readonly names: readonly string[]; readonly path: string }> {
  const helpers = await tryTo(sources.findHelpers);
  const { helperPath: path } = sources;
  return path === undefined || 'trouble' in helpers ? { names: [], path: '' } : { names: helpers.value, path };
}

function countRules({ rules }: Registries): NetworkView['registries'] {
  return { rules: rules.length, mirrors: rules.reduce((sum, { mirrors }) => sum + mirrors.length, 0) };
}

async function describeProxy(
  setting: string,
  { value, class: source, origin }: Classified<string | undefined>,
): Promise<ProxySetting[]> {
  if (value === undefined || value === '') return [];
  const parsed = await tryTo(() => parseProxy(value, setting).name);
  return [{ setting, origin, class: source, proxy: 'trouble' in parsed ? parsed.trouble : parsed.value }];
}

function describeExceptions({ value, origin }: Classified<string | undefined>): ProxyExceptions | undefined {
  if (value === undefined || value === '') return undefined;
  // A user may have written a proxy there by mistake, with its password.
  return { origin, unreadable: unreadableExceptions(value).map(redact) };
}

async function viewAuthfiles({
  authfiles,
  helperPath,
  findHelpers,
}: NetworkSources): Promise<NetworkView['authfiles']> {
  const helpers = await tryTo(findHelpers);
  if ('trouble' in helpers) return helpers.trouble;
  return { paths: authfiles, idleHelpers: helperPath === undefined ? helpers.value : [] };
}

/** A proxy that cannot be used looks nothing up. */
async function proxyChoice({ proxy }: NetworkSources): Promise<ProxyOf> {
  const settings = { https: proxy.https.value, http: proxy.http.value, noProxy: proxy.noProxy.value };
  const choice = await tryTo(() => createProxyChoice(settings));
  return 'trouble' in choice ? () => undefined : choice.value;
}

function wantedUrls(
  { urlOf, mirrorHosts }: NetworkSources,
  registries: Registries | undefined,
  { access }: ViewedImages,
): readonly WantedUrl[] {
  const ruled = (registries?.rules ?? []).flatMap(({ mirrors }) => mirrors.map(hostOfLocation));
  const mirrors = [...mirrorHosts, ...ruled].map((host) => URL.parse(`https://${host}`)).filter((url) => url !== null);
  return [
    ...[...access].map(([{ use }, endpoint]) => ({ use, url: urlOf(endpoint, 'https') })),
    ...mirrors.map((url) => ({ use: 'mirror', url }) as const),
  ];
}

function hostOfLocation({ location }: { readonly location: string }): string {
  return location.split('/', 1)[0] ?? location;
}
