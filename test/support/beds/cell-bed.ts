import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { loadDaemonRegistries } from '../../../src/config/index.ts';
import { daemonEndpoints, type EndpointAccess } from '../../../src/endpoints/index.ts';
import { type ErrorCode, SealiftError } from '../../../src/errors/index.ts';
import { parseReference } from '../../../src/oci/index.ts';
import { dir, file } from '../builders/tar-builder.ts';
import type { DaemonSample } from '../daemons/daemon-texts.ts';
import { ForwardProxy } from '../proxies/forward-proxy.ts';
import { startTlsFront, type TlsFront } from '../proxies/tls-front.ts';
import { type FakeRegistryOptions, startFakeRegistry } from '../registries/fake-registry.ts';
import { makeTestCertificates } from '../registries/test-certificates.ts';
import { attachUnderTag } from '../signatures/attach.ts';
import { makeSigner, payloadFor, signPayload } from '../signatures/sigstore-builder.ts';
import { DaemonBed } from './daemon-bed.ts';
import { PullBed } from './pull-bed.ts';

export const IMAGES = ['pinned by digest', 'a tag that policy accepts unsigned'] as const;
export type ImageKind = (typeof IMAGES)[number];
export const SIGNED = 'a tag that has to be signed';

const SIGNER = makeSigner();
const SIGNED_POLICY = JSON.stringify({
  default: [
    {
      type: 'sigstoreSigned',
      keyData: Buffer.from(SIGNER.publicKey).toString('base64'),
      signedIdentity: { type: 'digestOnly' },
    },
  ],
});

const REGISTRIES: Readonly<Record<'own' | 'mirror' | 'elsewhere' | 'guarded' | 'tokens', FakeRegistryOptions>> = {
  own: {},
  mirror: {},
  elsewhere: {},
  guarded: { auth: { kind: 'basic', username: 'me', password: 'secret' } },
  tokens: { auth: { kind: 'bearer', account: 'nobody:nothing' } },
};
type RegistryName = keyof typeof REGISTRIES;

/** The servers that a pull may use, as `HOST:PORT`, proxies as URLs; each counts its requests. */
export interface CellServers extends Readonly<Record<RegistryName, string>> {
  /** The address of `own` that a proxy is used for: 127.0.0.1 never has one. */
  readonly distant: string;
  /** `own` behind TLS, and one that requires a password; only `authority` vouches for either certificate. */
  readonly secure: string;
  readonly secureGuarded: string;
  readonly authority: string;
  readonly proxy: string;
  /** Another proxy, which no request may use. */
  readonly otherProxy: string;
  /** Writes a file in the scratch folder and returns its path. */
  write(name: string, content: string): string;
}

/** The texts of one configuration, including those that every cell has in common. */
export interface CellTexts extends DaemonSample {
  /** Lines of `[pull]`; `insecure_policy = true` when absent. */
  readonly pull?: string;
  /** The registries.conf that `[pull]` names. */
  readonly conf?: string | undefined;
}

/** The outcome of one pull. */
export interface Observation {
  readonly result: 'pulled' | ErrorCode;
  /** The servers that received a request, in the order of their names. */
  readonly asked: readonly string[];
  readonly layerFetches: number;
  /** Every Authorization that arrived at a server, as `server: value`. */
  readonly authorizations: readonly string[];
  readonly warnings: readonly string[];
}

interface CellParts {
  readonly daemon: DaemonBed;
  readonly registries: Readonly<Record<RegistryName, PullBed>>;
  readonly proxies: Readonly<Record<'proxy' | 'otherProxy', ForwardProxy>>;
  readonly fronts: Readonly<Record<'secure' | 'secureGuarded', TlsFront>>;
  readonly authority: string;
}

/** One daemon whose configuration changes from pull to pull, with a registry and all ways to reach it. */
export class CellBed implements AsyncDisposable {
  readonly servers: CellServers;
  readonly #parts: CellParts;
  #pulls = 0;
  #files = 0;

  private constructor(parts: CellParts) {
    this.#parts = parts;
    const { registries, proxies, fronts, authority } = parts;
    const hostOf = (name: RegistryName) => registries[name].registry.host;
    this.servers = {
      ...{ own: hostOf('own'), mirror: hostOf('mirror'), elsewhere: hostOf('elsewhere') },
      ...{ guarded: hostOf('guarded'), tokens: hostOf('tokens') },
      ...{ distant: hostOf('own').replace('127.0.0.1', '0.0.0.0'), authority },
      ...{ secure: fronts.secure.host, secureGuarded: fronts.secureGuarded.host },
      ...{ proxy: proxies.proxy.url, otherProxy: proxies.otherProxy.url },
      write: (name, content) => this.#write(name, content),
    };
  }

  static async open(): Promise<CellBed> {
    const start = async (name: RegistryName) => new PullBed(await startFakeRegistry(REGISTRIES[name]));
    const registries = {
      ...{ own: await start('own'), mirror: await start('mirror'), elsewhere: await start('elsewhere') },
      ...{ guarded: await start('guarded'), tokens: await start('tokens') },
    };
    registries.tokens.registry.allowToken('let-me-in', 'repository:app:pull');
    const { authority, server } = makeTestCertificates();
    const front = ({ registry }: PullBed) => startTlsFront({ target: registry.host, ...server });
    return new CellBed({
      daemon: await DaemonBed.open({}, registries.own),
      registries,
      proxies: { proxy: await ForwardProxy.start(), otherProxy: await ForwardProxy.start() },
      fronts: { secure: await front(registries.own), secureGuarded: await front(registries.guarded) },
      authority,
    });
  }

  /**
   * Pulls an image under `name` with this configuration only. No earlier pull has fetched it, and every registry has
   * it. An image that has to be signed is signed at every registry, and the policy says so in place of `insecure_policy`.
   */
  async pull(name: string, kind: ImageKind | typeof SIGNED, texts: CellTexts): Promise<Observation> {
    this.#pulls += 1;
    const tag = `t${this.#pulls}`;
    const layers = [[dir('./'), file('who', tag)], [file('second', tag)]];
    const served = Object.values(this.#parts.registries).map((bed) => bed.serveImage(layers, { tag }));
    const [{ digest } = { digest: '' }] = served;
    if (kind === SIGNED) this.#sign(digest);
    this.#forget();
    let warnings: readonly string[] = [];
    let result: Observation['result'] = 'pulled';
    try {
      warnings = this.#parts.daemon.configure(this.#sampleOf(texts, kind));
      await this.#parts.daemon.pull(`${name}${kind === 'pinned by digest' ? `@${digest}` : `:${tag}`}`);
      // Hundreds of mounts would make each pull slower than the one before.
      this.#parts.daemon.removeLast();
    } catch (error) {
      if (!(error instanceof SealiftError)) throw error;
      result = error.code;
    }
    const blobs = new Set(served.flatMap((image) => image.layers));
    return { result, warnings, ...this.#look(blobs) };
  }

  /** The places of a name with this configuration; each says by which class its transport was chosen. */
  async endpointsOf(name: string, texts: CellTexts, mustBeSigned = false): Promise<readonly EndpointAccess[]> {
    const { daemon } = this.#parts;
    daemon.configure(this.#sampleOf(texts));
    const { configuration } = daemon;
    const { parts } = daemon.daemon;
    const load = { resources: parts.resources, maxBytes: parts.limits.maxConfigurationBytes };
    const registries = await loadDaemonRegistries(configuration, load);
    const context = { ...parts, configuration, mustBeSigned: () => mustBeSigned };
    return daemonEndpoints(context, registries)(parseReference(name));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { daemon, registries, proxies, fronts } = this.#parts;
    const { own: _, ...others } = registries;
    await daemon[Symbol.asyncDispose]();
    for (const bed of Object.values(others)) await bed.close();
    for (const each of [...Object.values(proxies), ...Object.values(fronts)]) await each[Symbol.asyncDispose]();
  }

  #sign(digest: string): void {
    const signature = signPayload(SIGNER, payloadFor(digest, 'signed.invalid/app'));
    for (const { registry } of Object.values(this.#parts.registries)) {
      attachUnderTag(registry, { repository: 'app', digest }, [signature]);
    }
  }

  #sampleOf({ conf, toml = '', ...texts }: CellTexts, kind?: ImageKind | typeof SIGNED): DaemonSample {
    const { pull: given = 'insecure_policy = true', ...others } = texts;
    const isSigned = kind === SIGNED;
    const signed = isSigned ? `policy = "${this.#write('policy.json', SIGNED_POLICY)}"` : '';
    const pull = isSigned ? given.replace('insecure_policy = true', signed) : given;
    const named = conf === undefined ? '' : `registries_conf = "${this.#write('registries.conf', conf)}"\n`;
    // A single try, so that no pull waits for a server that cannot be reached.
    return { ...others, toml: `[pull]\n${named}${pull}\n[pull.limits]\nmax_tries = 1\n${toml}` };
  }

  #write(name: string, content: string): string {
    this.#files += 1;
    const path = this.#parts.registries.own.path(`files-${this.#files}/${name}`);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content);
    return path;
  }

  #forget(): void {
    for (const { registry } of Object.values(this.#parts.registries)) registry.requests.length = 0;
    for (const proxy of Object.values(this.#parts.proxies)) proxy.requests.length = 0;
  }

  #look(blobs: ReadonlySet<string>): Pick<Observation, 'asked' | 'layerFetches' | 'authorizations'> {
    const { registries, proxies } = this.#parts;
    const served = Object.entries(registries).map(([name, { registry }]) => ({ name, requests: registry.requests }));
    const passed = Object.entries(proxies).map(([name, { requests }]) => ({ name, requests }));
    const all = [...served, ...passed];
    const isLayer = ({ url }: { readonly url: string }) => blobs.has(url.replace(/^.*\/|\?.*$/g, ''));
    const sent = all.flatMap(({ name, requests }) =>
      requests.flatMap(({ headers: { authorization } }) => (authorization ? [`${name}: ${authorization}`] : [])),
    );
    return {
      asked: all.flatMap(({ name, requests }) => (requests.length > 0 ? [name] : [])).sort(),
      layerFetches: served.flatMap(({ requests }) => requests.filter(isLayer)).length,
      authorizations: [...new Set(sent)],
    };
  }
}
