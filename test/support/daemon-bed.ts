import { mkdirSync } from 'node:fs';
import { composeDaemon, type DaemonServices } from '../../src/compose-daemon.ts';
import { SILENT_LOGGER } from '../../src/log/index.ts';
import { mustRun } from './commands.ts';
import { resolveSample } from './daemon-texts.ts';
import { unmountBelow } from './mounts.ts';
import { PullBed } from './pull-bed.ts';

export interface DaemonBedOptions {
  /** Tables behind `[store]` and `[api]`. */
  readonly toml?: string;
  readonly imagepuller?: string;
}

/** The daemon without its sockets, its memory a tmpfs of the test's own, and a registry in this process. Takes root. */
export class DaemonBed implements AsyncDisposable {
  readonly bed: PullBed;
  readonly daemon: DaemonServices;
  #bundles = 0;

  private constructor(bed: PullBed, daemon: DaemonServices) {
    this.bed = bed;
    this.daemon = daemon;
  }

  static async open({ toml = '', imagepuller }: DaemonBedOptions = {}, bed?: PullBed): Promise<DaemonBed> {
    const used = bed ?? (await PullBed.open());
    const memory = used.path('memory');
    mkdirSync(memory);
    mkdirSync(used.path('bundles'));
    await mustRun('mount', ['-t', 'tmpfs', '-o', 'size=256m,mode=0700', 'tmpfs', memory]);
    const tables = `[store]\nstate = "${used.path('state')}"\n[api]\nbundle_roots = ["${used.path('bundles')}"]\n`;
    const configuration = resolveSample({
      toml: `${tables}${toml}`,
      ...(imagepuller === undefined ? {} : { imagepuller }),
    });
    const daemon = composeDaemon({
      version: 'test',
      log: SILENT_LOGGER,
      configuration: () => configuration,
      failure: () => undefined,
      currentPlace: async () => ({ kind: 'memory', directory: memory, reason: 'test' }),
      reportStall: () => undefined,
      measure: async () => {},
      checkpoint: () => {},
    });
    return new DaemonBed(used, daemon);
  }

  /** As the agent: the directory first. Answers the digest of the manifest. */
  async pull(imageUrl: string): Promise<string> {
    this.#bundles += 1;
    const bundlePath = this.bed.path(`bundles/c${this.#bundles}`);
    mkdirSync(bundlePath);
    const signal = new AbortController().signal;
    return (await this.daemon.pulls.pullImage({ imageUrl, bundlePath, requestId: 'r', signal })).manifestDigest;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.daemon.stop();
    await unmountBelow(this.bed.directory);
    await this.bed.close();
  }
}
