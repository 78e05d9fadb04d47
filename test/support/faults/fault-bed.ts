import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Parts } from '../../../src/compose/parts.ts';
import { imagePorts, pullPorts } from '../../../src/compose/pull.ts';
import {
  type Configuration,
  limitsOf,
  loadConfiguration,
  type Registries,
  type SettingValues,
} from '../../../src/config/index.ts';
import { NO_REGISTRIES } from '../../../src/config/registries/types.ts';
import { cliEndpoints } from '../../../src/endpoints/index.ts';
import { SealiftError } from '../../../src/errors/index.ts';
import { cliLookaside } from '../../../src/lookaside/index.ts';
import { type PullResult, pullImage, type StoreBacking } from '../../../src/pull/index.ts';
import { createResourceLoader, loadOptions } from '../../../src/resources/index.ts';
import { createSignatureVerifier, loadPolicy } from '../../../src/signature/index.ts';
import { openBundledPool } from '../pools/pools.ts';

/** An endpoint that a pull asks for an image; the last of several is the image's own registry. */
export interface FaultEndpoint {
  /** The host as in a reference. */
  readonly host: string;
  /** True if plain http and unverified certificates are accepted. */
  readonly insecure: boolean;
}

export interface FaultPullOptions {
  /** The name after `host/`. */
  readonly name: string;
  readonly endpoints: readonly FaultEndpoint[];
  /** Settings in addition to those of the bed; without limits, which the threads received at their start. */
  readonly settings?: SettingValues;
}

export interface FaultOutcome {
  readonly result: PullResult | undefined;
  readonly error: SealiftError | undefined;
  readonly durationMs: number;
  /** What the store contains afterwards. */
  readonly left: StoreContents;
}

/** Files and directories where a pull leaves what it has made or was making. */
export interface StoreContents {
  readonly layers: readonly string[];
  readonly staging: readonly string[];
  readonly trash: readonly string[];
  readonly names: readonly string[];
  readonly images: readonly string[];
  readonly locks: readonly string[];
}

export const NOTHING_LEFT: StoreContents = {
  ...{ layers: [], staging: [], trash: [], names: [], images: [] },
  // The lock that every user of the store holds shared stays as a file.
  locks: ['store'],
};

/** The parts of the command line, with worker threads that are kept from pull to pull as in the daemon. */
export class FaultBed implements AsyncDisposable {
  readonly #directory = mkdtempSync(join(tmpdir(), 'sealift-fault-'));
  readonly #parts: Parts;
  readonly #settings: SettingValues;
  readonly #idle = Promise.withResolvers<void>();
  #pulls = 0;

  constructor(settings: SettingValues) {
    this.#settings = { 'pull.insecure_policy': true, ...settings };
    const configuration = configured(this.#settings);
    const limits = limitsOf(configuration);
    const pool = openBundledPool({ limits }, 60_000, () => this.#idle.resolve());
    const resources = createResourceLoader();
    const verifier = createSignatureVerifier({ run: pool.runner('signature'), limits, nowMs: () => Date.now() });
    const userAgent = 'sealift/test';
    this.#parts = { configuration, limits, pool, userAgent, resources, verifier, checkpoint: () => {} };
  }

  /** Pulls into a store of its own. */
  async pull({ name, endpoints, settings = {} }: FaultPullOptions): Promise<FaultOutcome> {
    this.#pulls += 1;
    const root = this.path(`store-${this.#pulls}`);
    const backing = this.#backing(root);
    const parts = this.#with(settings);
    const { signal } = new AbortController();
    const findEndpoints = cliEndpoints(parts, {
      ...{ environment: {}, uid: 0, credentials: undefined, certDir: undefined },
      registries: registriesOf(endpoints),
      runHelper: async () => ({ kind: 'missing' }),
    });
    const ports = pullPorts(parts, {
      backing,
      policy: await loadPolicy(parts.configuration.pull, loadOptions(parts, signal)),
      image: imagePorts(parts, findEndpoints, () => {}),
      locateSignatures: cliLookaside(parts, { environment: {}, uid: 0 }),
      onProgress: () => {},
      sweepsStore: true,
    });
    const reference = `${endpoints.at(-1)?.host}/${name}`;
    const startedMs = performance.now();
    try {
      const result = await pullImage({ reference, target: { kind: 'store' } }, ports, signal);
      return { result, error: undefined, durationMs: performance.now() - startedMs, left: contentsOf(backing) };
    } catch (error) {
      if (!(error instanceof SealiftError)) throw error;
      return { result: undefined, error, durationMs: performance.now() - startedMs, left: contentsOf(backing) };
    } finally {
      rmSync(root, { recursive: true, force: true });
    }
  }

  /** Lists what the directory contains besides stores. */
  leftovers(): readonly string[] {
    return readdirSync(this.#directory);
  }

  path(name: string): string {
    return join(this.#directory, name);
  }

  /** Ends the threads, which closes what they have open. */
  end(): void {
    this.#parts.pool.close();
  }

  /** Resolves when the last thread has ended. */
  threadsGone(): Promise<void> {
    return this.#idle.promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.end();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  #with(settings: SettingValues): Parts {
    if (Object.keys(settings).length === 0) return this.#parts;
    return { ...this.#parts, configuration: configured({ ...this.#settings, ...settings }) };
  }

  #backing(root: string): StoreBacking {
    mkdirSync(root);
    return {
      ...{ dataDir: join(root, 'data'), stateDir: join(root, 'state'), minFreeBytes: 0 },
      ...{ layerFormat: 'auto', verity: 'auto', trees: 'unused', allowDirectories: true },
    };
  }
}

function configured(flags: SettingValues): Configuration {
  return loadConfiguration({ program: 'cli', flags, environment: {}, file: undefined });
}

/** Makes a rule in which the first endpoints are mirrors of the last. */
function registriesOf(endpoints: readonly FaultEndpoint[]): Registries {
  const own = endpoints.at(-1);
  if (own === undefined) return NO_REGISTRIES;
  const mirrors = endpoints
    .slice(0, -1)
    .map(({ host, insecure }) => ({ location: host, insecure, use: 'all' as const }));
  const rule = {
    prefix: own.host,
    location: undefined,
    insecure: own.insecure,
    blocked: false,
    mirrors,
    origin: 'test',
  };
  return { ...NO_REGISTRIES, rules: [rule] };
}

function contentsOf({ dataDir, stateDir }: StoreBacking): StoreContents {
  return {
    layers: [...listIfAny(join(dataDir, 'layers')), ...listIfAny(join(stateDir, 'layers'))],
    staging: listIfAny(join(dataDir, 'staging')),
    trash: listIfAny(join(dataDir, 'trash')),
    names: listIfAny(join(stateDir, 'names')),
    images: listIfAny(join(stateDir, 'images')),
    locks: listIfAny(join(stateDir, 'lock')),
  };
}

function listIfAny(directory: string): string[] {
  return existsSync(directory) ? readdirSync(directory) : [];
}
