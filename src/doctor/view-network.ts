import { isIP } from 'node:net';
import type { Parts } from '../compose/parts.ts';
import type { Classified, Configuration, Registries } from '../config/index.ts';
import { type EndpointAccess, type FindEndpoints, findCredentialSources } from '../endpoints/index.ts';
import { asSealiftError, redact, SealiftError } from '../errors/index.ts';
import { createProxyChoice, type DocumentResponse, parseProxy, unreadableExceptions } from '../http/index.ts';
import { formatRepositoryName, parseReference } from '../oci/index.ts';
import { apiUrl, type CredentialSource, parseAuthFile, registryHost } from '../registry/index.ts';
import { loadText } from '../resources/index.ts';
import type {
  AuthfileView,
  ImagePlace,
  ImageView,
  NetworkPorts,
  NetworkView,
  ProxyExceptions,
  ProxySetting,
  RegistryAnswer,
  WantedHost,
} from './index.ts';

/** Somebody waits in front of a terminal; pulls are more patient. */
const ASK_TIMEOUT_MS = 10_000;

export interface DoctoredNetwork {
  readonly parts: Parts;
  /** As they were written. */
  readonly images: readonly string[];
  /** Throws what is wrong with registries.conf and its likes. */
  readonly loadRegistries: () => Promise<Registries>;
  /** The full names that an image stands for. */
  readonly namesOf: (image: string, registries: Registries) => readonly string[];
  readonly findEndpoints: (registries: Registries) => FindEndpoints;
  /** Where credentials may lie. */
  readonly authfiles: readonly string[];
  /** PATH, for the helpers that they name; undefined: nobody runs these. */
  readonly helperPath: string | undefined;
  /** Who else has given credentials for a host. */
  readonly secretsFrom: (host: string) => string;
  /** Mirrors that are configured elsewhere. */
  readonly mirrorHosts: readonly string[];
  readonly signal: AbortSignal;
}

/** What the doctor looks at on the way to registries. Without images nobody is connected to. */
export async function doctorNetwork(network: DoctoredNetwork): Promise<NetworkPorts> {
  const access: Access = new Map();
  const { proxy } = network.parts.configuration.pull;
  const found = await tryTo(network.loadRegistries);
  const registries = 'trouble' in found ? undefined : found.value;
  const images: ImageView[] = [];
  if (registries !== undefined) {
    for (const image of network.images) images.push(...(await viewImage(image, network, { registries, access })));
  }
  const proxies = [
    ...(await describeProxy('pull.proxy.https', proxy.https)),
    ...(await describeProxy('pull.proxy.http', proxy.http)),
  ];
  return {
    view: {
      proxies,
      exceptions: describeExceptions(proxy.noProxy),
      registries: 'trouble' in found ? found.trouble : countRules(found.value),
      authfiles: await viewAuthfiles(network),
      hosts: await hostsOf(network, registries, access),
      images,
    },
    ask: async (place) => {
      const endpoint = access.get(place);
      if (endpoint === undefined) throw new SealiftError('INTERNAL', `doctor: unexpected place ${place.name}`);
      return askRegistry(endpoint, network);
    },
  };
}

type Tried<T> = { readonly value: T } | { readonly trouble: { readonly message: string; readonly hint: string } };

/** What is wrong with files and names is an answer. */
async function tryTo<T>(action: () => T | Promise<T>): Promise<Tried<T>> {
  try {
    return { value: await action() };
  } catch (error) {
    if (!(error instanceof SealiftError)) throw error;
    const { message, hint } = error;
    return { trouble: { message, hint } };
  }
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

function describeExceptions({ value, origin }: Configuration['pull']['proxy']['noProxy']): ProxyExceptions | undefined {
  if (value === undefined || value === '') return undefined;
  // Somebody may have written a proxy there, with its password.
  return { origin, unreadable: unreadableExceptions(value).map(redact) };
}

type Access = Map<ImagePlace, EndpointAccess>;

/** Of each name that the image stands for; how its places are spoken to is put into `access`. */
async function viewImage(
  image: string,
  network: DoctoredNetwork,
  found: { registries: Registries; access: Access },
): Promise<readonly ImageView[]> {
  const { registries, access } = found;
  const names = await tryTo(() => network.namesOf(image, registries));
  if ('trouble' in names) return [{ image, refusal: names.trouble }];
  const views: ImageView[] = [];
  for (const name of names.value) {
    const endpoints = await tryTo(() => network.findEndpoints(registries)(parseReference(name), network.signal));
    if ('trouble' in endpoints) {
      views.push({ image: name, refusal: endpoints.trouble });
      continue;
    }
    const places: ImagePlace[] = [];
    for (const [at, endpoint] of endpoints.value.entries()) {
      const place = await viewPlace(endpoint, at + 1 < endpoints.value.length, network);
      access.set(place, endpoint);
      places.push(place);
    }
    views.push({ image: name, places });
  }
  return views;
}

async function viewPlace(endpoint: EndpointAccess, isMirror: boolean, network: DoctoredNetwork): Promise<ImagePlace> {
  const { reference } = endpoint;
  return {
    name: formatRepositoryName(reference),
    host: reference.domain,
    use: isMirror ? 'mirror' : 'registry',
    credentials: await originOfCredentials(endpoint, network),
  };
}

async function originOfCredentials(
  { reference, credentials }: EndpointAccess,
  network: DoctoredNetwork,
): Promise<string | undefined> {
  if (credentials === undefined) return undefined;
  const { authfiles, secretsFrom } = network;
  for (const path of authfiles) {
    const [source] = await findCredentialSources(reference, [path], loadOptions(network));
    if (source !== undefined) return describeSource(path, source);
  }
  return secretsFrom(reference.domain);
}

function loadOptions({ parts, signal }: DoctoredNetwork) {
  return { resources: parts.resources, maxBytes: parts.limits.maxConfigurationBytes, signal };
}

function describeSource(path: string, source: CredentialSource): string {
  return source.kind === 'known' ? path : `docker-credential-${source.helper.name}, which ${path} names`;
}

/** The programs that files with credentials name. Throws `AUTHFILE_INVALID`. */
async function helpersOf(network: DoctoredNetwork): Promise<readonly string[]> {
  const { resources, maxBytes, signal } = loadOptions(network);
  const names = new Set<string>();
  for (const path of network.authfiles) {
    const text = await loadText(resources, path, { what: 'credentials', maxBytes, code: 'AUTHFILE_INVALID', signal });
    const { helpers, store } = parseAuthFile(text);
    for (const name of [...helpers.values(), ...(store === undefined ? [] : [store])]) names.add(name);
  }
  return [...names].map((name) => `docker-credential-${name}`);
}

async function viewAuthfiles(network: DoctoredNetwork): Promise<NetworkView['authfiles']> {
  const helpers = await tryTo(() => helpersOf(network));
  if ('trouble' in helpers) return helpers.trouble;
  const view: AuthfileView = {
    paths: network.authfiles,
    idleHelpers: network.helperPath === undefined ? helpers.value : [],
  };
  return view;
}

/** Which programs a pull would run for credentials, and where it looks for them. */
export async function credentialHelpers(network: DoctoredNetwork): Promise<{
  readonly names: readonly string[];
  readonly path: string;
}> {
  const helpers = await tryTo(() => helpersOf(network));
  const { helperPath: path } = network;
  return path === undefined || 'trouble' in helpers ? { names: [], path: '' } : { names: helpers.value, path };
}

function urlOf({ reference, mirrorApi }: EndpointAccess, scheme: 'https' | 'http'): URL {
  return new URL(apiUrl(`${scheme}://${registryHost(reference.domain)}`, '', mirrorApi));
}

/** A proxy looks names up for those whom it serves. */
async function hostsOf(
  { parts, mirrorHosts }: DoctoredNetwork,
  registries: Registries | undefined,
  access: Access,
): Promise<readonly WantedHost[]> {
  const choice = await tryTo(() => createProxyChoice(proxySettings(parts)));
  const proxyOf = (url: URL) => ('trouble' in choice ? undefined : choice.value(url));
  const mirrors = (registries?.rules ?? []).flatMap((rule) => rule.mirrors.map(hostOfLocation));
  const wanted = [
    ...[...access].map(([{ use }, endpoint]) => ({ use, url: urlOf(endpoint, 'https') })),
    ...[...mirrorHosts, ...mirrors].flatMap((host) => {
      const url = URL.parse(`https://${host}`);
      return url === null ? [] : [{ use: 'mirror' as const, url }];
    }),
  ];
  const direct = wanted.filter(({ url }) => proxyOf(url) === undefined);
  const proxies = ['https', 'http'].flatMap((scheme): WantedHost[] => {
    const proxy = proxyOf(new URL(`${scheme}://some.invalid`));
    return proxy === undefined ? [] : [{ host: proxy.hostname, use: 'proxy' }];
  });
  return onlyNames([...proxies, ...direct.map(({ use, url }) => ({ host: url.hostname, use }))]);
}

function proxySettings({ configuration }: Parts) {
  const { https, http, noProxy } = configuration.pull.proxy;
  return { https: https.value, http: http.value, noProxy: noProxy.value };
}

function hostOfLocation({ location }: { readonly location: string }): string {
  return location.split('/', 1)[0] ?? location;
}

/** Each once; addresses and this machine need no look-up. */
function onlyNames(hosts: readonly WantedHost[]): readonly WantedHost[] {
  const order = { proxy: 0, registry: 1, mirror: 2 } as const;
  const names = new Map<string, WantedHost>();
  for (const each of hosts) {
    if (each.host === 'localhost' || isIP(each.host.replace(/^\[|\]$/g, '')) !== 0) continue;
    const known = names.get(each.host);
    if (known === undefined || order[each.use] < order[known.use]) names.set(each.host, each);
  }
  return [...names.values()];
}

/** One request that asks for nothing, by the very way that a pull takes; where http is allowed, as pulls fall back to it. */
async function askRegistry(endpoint: EndpointAccess, network: DoctoredNetwork): Promise<RegistryAnswer> {
  const secure = await askBy('https', endpoint, network);
  if (secure.kind === 'answered' || !endpoint.allowHttp) return secure;
  const plain = await askBy('http', endpoint, network);
  return plain.kind === 'answered' ? plain : secure;
}

async function askBy(
  scheme: 'https' | 'http',
  endpoint: EndpointAccess,
  { parts, signal }: DoctoredNetwork,
): Promise<RegistryAnswer> {
  const { pool, limits } = parts;
  const deadline = AbortSignal.timeout(ASK_TIMEOUT_MS);
  const url = urlOf(endpoint, scheme);
  const proxy = createProxyChoice(endpoint.transport.proxy)(url)?.name;
  const request = {
    url: url.href,
    method: 'GET',
    headers: { accept: 'application/json' },
    allowHttp: endpoint.allowHttp,
    tries: 1,
  } as const;
  const startedMs = performance.now();
  try {
    const client = pool.httpClient(endpoint.transport);
    const response = await client.fetchDocument(request, limits.maxTokenBytes, AbortSignal.any([signal, deadline]));
    return { ...describeAnswer(response), scheme, proxy, tookMs: Math.round(performance.now() - startedMs) };
  } catch (error) {
    signal.throwIfAborted();
    if (deadline.aborted) return { kind: 'failed', proxy, fault: 'ETIMEDOUT', ...describeSilence(request.url) };
    return { ...describeFailure(error, scheme), proxy };
  }
}

function describeAnswer({ status, headers }: DocumentResponse) {
  const theirsMs = Date.parse(headers['date']?.[0] ?? '');
  const dates = Number.isNaN(theirsMs) ? undefined : { theirsMs, oursMs: Date.now() };
  return { kind: 'answered', status, dates } as const;
}

function describeSilence(url: string) {
  const hint = 'check the address, and that nothing on the way drops what it does not want';
  return { message: `GET ${url}: no answer within ${ASK_TIMEOUT_MS} ms`, hint };
}

function describeFailure(error: unknown, scheme: 'https' | 'http') {
  const { code, message, hint, context } = asSealiftError(error);
  // A bug of ours says nothing of a registry.
  if (code === 'INTERNAL') throw error;
  const { status, fault = '' } = context;
  // A status that pulls try again after is an answer all the same.
  if (typeof status === 'number') return { kind: 'answered', scheme, status, tookMs: 0, dates: undefined } as const;
  return { kind: 'failed', fault: String(fault), message, hint } as const;
}
