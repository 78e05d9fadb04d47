import { mkdirSync, writeFileSync } from 'node:fs';
import type { SettingValues } from '../../../src/config/index.ts';
import { snakeCase } from '../../../src/config/settings.ts';
import type { LimitName } from '../../../src/limits/index.ts';
import type { PullResult, PullTarget } from '../../../src/pull/index.ts';
import { unmountBelow } from '../machine/mounts.ts';
import { openBundledPool } from '../pools/pools.ts';
import { type FakeAuth, startFakeRegistry } from '../registries/fake-registry.ts';
import { PullBed } from './pull-bed.ts';
import { composeTestCli } from './test-cli.ts';

export type LimitSettings = Readonly<Partial<Record<LimitName, number>>>;

export interface LimitedPull {
  readonly reference?: string;
  readonly target?: 'store' | 'bundle';
  readonly settings?: SettingValues;
}

/** The table `[pull.limits]` of a configuration file. */
export function limitsTable(limits: LimitSettings): string {
  return `[pull.limits]\n${Object.entries(limits)
    .map(([name, value]) => `${snakeCase(name)} = ${value}\n`)
    .join('')}`;
}

/** The CLI with limits from a file given with -c, against a registry in this process. */
export class LimitBed implements AsyncDisposable {
  readonly bed: PullBed;
  readonly #cleanups: (() => unknown)[] = [];

  private constructor(bed: PullBed) {
    this.bed = bed;
  }

  static async open(auth: FakeAuth = { kind: 'none' }): Promise<LimitBed> {
    return new LimitBed(new PullBed(await startFakeRegistry({ auth })));
  }

  get stateDir(): string {
    return this.bed.path('store/state');
  }

  /** Pulls `app:latest` unless another reference is given. */
  pull(limits: LimitSettings, { reference, target = 'store', settings = {} }: LimitedPull = {}): Promise<PullResult> {
    const configFile = this.bed.path('sealift.toml');
    writeFileSync(configFile, limitsTable(limits));
    const directory = this.bed.path('bundle');
    const wanted: PullTarget = target === 'store' ? { kind: 'store' } : { kind: 'bundle', directory };
    return composeTestCli({ openPool: openBundledPool }).pull(
      {
        reference: reference ?? this.bed.reference('latest'),
        target: wanted,
        settings: {
          'store.root': this.bed.path('store'),
          'pull.tls_verify': false,
          'pull.insecure_policy': true,
          ...settings,
        },
        credentials: undefined,
        configFile,
        debug: false,
      },
      { signal: new AbortController().signal, onProgress: () => {} },
    );
  }

  /** Makes the directory of a store's locks before the store is first used, and returns its path. */
  makeLocks(): string {
    mkdirSync(`${this.stateDir}/lock`, { recursive: true });
    return `${this.stateDir}/lock/store`;
  }

  onDispose(cleanup: () => unknown): void {
    this.#cleanups.push(cleanup);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const cleanup of this.#cleanups) await cleanup();
    await unmountBelow(this.bed.directory);
    await this.bed.close();
  }
}
