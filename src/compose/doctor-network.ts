import { isIP } from 'node:net';
import { type Classified, type Configuration, loadTextFile, type Registries } from '../config/index.ts';
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
} from '../doctor/index.ts';
import { asSealiftError, redact, SealiftError } from '../errors/index.ts';
import { createProxyChoice, type DocumentResponse, parseProxy, unreadableExceptions } from '../http/index.ts';
import { formatRepositoryName, parseReference } from '../oci/index.ts';
import { apiUrl, type CredentialSource, parseAuthFile, registryHost } from '../registry/index.ts';
import { type EndpointAccess, type EndpointsOf, findCredentialSources, type Parts } from './parts.ts';

/** Somebody waits in front of a terminal; pulls are more patient. */
const ASK_TIMEOUT_MS = 10_000;

export interface DoctoredNetwork {
  readonly parts: Parts;
  /** As they were written. */
  readonly images: readonly string[];
  /** Throws what is wrong with registries.conf and its likes. */
  readonly loadRegistries: () => Registries;
  /** The full names that an image stands for. */
  readonly namesOf: (image: string, registries: Registries) => readonly string[];
  readonly endpointsOf: (registries: Registries) => EndpointsOf;
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
export function doctorNetwork(network: DoctoredNetwork): NetworkPorts {
  const access: Access = new Map();
  const { proxy } = network.parts.configuration.pull;
  const found = tryTo(network.loadRegistries);
  const registries = 'trouble' in found ? undefined : found.value;
  const images =
    registries === undefined
      ? []
      : network.images.flatMap((image) => viewImage(image, network, { registries, access }));
  return {
    view: {
      proxies: [describeProxy('pull.proxy.https', proxy.https), describeProxy('pull.proxy.http', proxy.http)].flat(),
      exceptions: describeExceptions(proxy.noProxy),
      registries: 'trouble' in found ? found.trouble : countRules(found.value),
      authfiles: viewAuthfiles(network),
      hosts: hostsOf(network, registries, access),
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
function tryTo<T>(action: () => T): Tried<T> {
  try {
    return { value: action() };
  } catch (error) {
    if (!(error instanceof SealiftError)) throw error;
    const { message, hint } = error;
    return { trouble: { message, hint } };
  }
}

function countRules({ rules }: Registries): NetworkView['registries'] {
  return { rules: rules.length, mirrors: rules.reduce((sum, { mirrors }) => sum + mirrors.length, 0) };
}

function describeProxy(
  setting: string,
  { value, class: source, origin }: Classified<string | undefined>,
): ProxySetting[] {
  if (value === undefined || value === '') return [];
  const parsed = tryTo(() => parseProxy(value, setting).name);
  return [{ setting, origin, class: source, proxy: 'trouble' in parsed ? parsed.trouble : parsed.value }];
}

function describeExceptions({ value, origin }: Configuration['pull']['proxy']['noProxy']): ProxyExceptions | undefined {
  if (value === undefined || value === '') return undefined;
  // Somebody may have written a proxy there, with its password.
  return { origin, unreadable: unreadableExceptions(value).map(redact) };
}

type Access = Map<ImagePlace, EndpointAccess>;

/** Of each name that the image stands for; how its places are spoken to is put into `access`. */
function viewImage(image: string, network: DoctoredNetwork, found: { registries: Registries; access: Access }) {
  const { registries, access } = found;
  const names = tryTo(() => network.namesOf(image, registries));
  if ('trouble' in names) return [{ image, refusal: names.trouble }];
  return names.value.map((name): ImageView => {
    const endpoints = tryTo(() => network.endpointsOf(registries)(parseReference(name)));
    if ('trouble' in endpoints) return { image: name, refusal: endpoints.trouble };
    const places = endpoints.value.map((endpoint, at): ImagePlace => {
      const place = viewPlace(endpoint, at + 1 < endpoints.value.length, network);
      access.set(place, endpoint);
      return place;
    });
    return { image: name, places };
  });
}

function viewPlace(endpoint: EndpointAccess, isMirror: boolean, network: DoctoredNetwork): ImagePlace {
  const { reference } = endpoint;
  return {
    name: formatRepositoryName(reference),
    host: reference.domain,
    use: isMirror ? 'mirror' : 'registry',
    credentials: originOfCredentials(endpoint, network),
  };
}

function originOfCredentials({ reference, credentials }: EndpointAccess, network: DoctoredNetwork): string | undefined {
  if (credentials === undefined) return undefined;
  const { authfiles, secretsFrom, parts } = network;
  const found = authfiles.flatMap((path) => {
    return findCredentialSources(reference, [path], parts.limits).map((source) => describeSource(path, source));
  });
  return found[0] ?? secretsFrom(reference.domain);
}

function describeSource(path: string, source: CredentialSource): string {
  return source.kind === 'known' ? path : `docker-credential-${source.helper.name}, which ${path} names`;
}

/** The programs that files with credentials name. Throws `AUTHFILE_INVALID`. */
function helpersOf({ authfiles, parts }: DoctoredNetwork): readonly string[] {
  const maxBytes = parts.limits.maxConfigurationBytes;
  const names = authfiles.flatMap((path) => {
    const text = loadTextFile({ path, what: 'credentials', maxBytes, code: 'AUTHFILE_INVALID' });
    const { helpers, store } = parseAuthFile(text);
    return [...helpers.values(), ...(store === undefined ? [] : [store])];
  });
  return [...new Set(names)].map((name) => `docker-credential-${name}`);
}

function viewAuthfiles(network: DoctoredNetwork): NetworkView['authfiles'] {
  const helpers = tryTo(() => helpersOf(network));
  if ('trouble' in helpers) return helpers.trouble;
  const view: AuthfileView = {
    paths: network.authfiles,
    idleHelpers: network.helperPath === undefined ? helpers.value : [],
  };
  return view;
}

/** Which programs a pull would run for credentials, and where it looks for them. */
export function credentialHelpers(network: DoctoredNetwork): {
  readonly names: readonly string[];
  readonly path: string;
} {
  const helpers = tryTo(() => helpersOf(network));
  const { helperPath: path } = network;
  return path === undefined || 'trouble' in helpers ? { names: [], path: '' } : { names: helpers.value, path };
}

function urlOf({ reference, mirrorApi }: EndpointAccess, scheme: 'https' | 'http'): URL {
  return new URL(apiUrl(`${scheme}://${registryHost(reference.domain)}`, '', mirrorApi));
}

/** A proxy looks names up for those whom it serves. */
function hostsOf(
  { parts, mirrorHosts }: DoctoredNetwork,
  registries: Registries | undefined,
  access: Access,
): readonly WantedHost[] {
  const choice = tryTo(() => createProxyChoice(proxySettings(parts)));
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
