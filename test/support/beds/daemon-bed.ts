import { mkdirSync } from 'node:fs';
import type { DaemonConfiguration } from '../../../src/config/index.ts';
import { umount } from '../../../src/platform/index.ts';
import { type DaemonSample, resolveSample } from '../daemons/daemon-texts.ts';
import { openSocketlessDaemon, type SocketlessDaemon } from '../daemons/socketless-daemon.ts';
import { mustRun } from '../machine/commands.ts';
import { unmountBelow } from '../machine/mounts.ts';
import { PullBed } from './pull-bed.ts';

/**
 * The daemon without its sockets, with a tmpfs of the test's own as memory and a registry in this process. Needs root.
 */
export class DaemonBed implements AsyncDisposable {
  readonly bed: PullBed;
  readonly daemon: SocketlessDaemon;
  #configuration: DaemonConfiguration;
  #bundles = 0;

  private constructor(bed: PullBed, memory: string, sample: DaemonSample) {
    this.bed = bed;
    this.#configuration = resolveIn(bed, sample);
    const configuration = () => this.#configuration;
    const loaded = {
      get configuration() {
        return configuration();
      },
      failure: undefined,
    };
    this.daemon = openSocketlessDaemon({ loaded, memory });
  }

  /** The tables of the sample's file follow `[store]` and `[api]`. */
  static async open(sample: DaemonSample = {}, bed?: PullBed): Promise<DaemonBed> {
    const used = bed ?? (await PullBed.open());
    const memory = used.path('memory');
    mkdirSync(memory);
    mkdirSync(used.path('bundles'));
    await mustRun('mount', ['-t', 'tmpfs', '-o', 'size=256m,mode=0700', 'tmpfs', memory]);
    return new DaemonBed(used, memory, sample);
  }

  get configuration(): DaemonConfiguration {
    return this.#configuration;
  }

  /** Configures the pulls from now on, as a reload does. Limits stay those of the start. Returns the warnings. */
  configure(sample: DaemonSample): readonly string[] {
    this.#configuration = resolveIn(this.bed, sample);
    return this.#configuration.warnings;
  }

  /** Makes the bundle directory and pulls, as the agent does. Returns the digest of the manifest. */
  async pull(imageUrl: string, timeoutMs?: number): Promise<string> {
    this.#bundles += 1;
    const bundlePath = this.bed.path(`bundles/c${this.#bundles}`);
    mkdirSync(bundlePath);
    const signal = new AbortController().signal;
    const call = { imageUrl, bundlePath, requestId: 'r', timeoutMs, signal };
    return (await this.daemon.pulls.pullImage(call)).manifestDigest;
  }

  /** Removes the container of the last pull, as the agent does. */
  removeLast(): void {
    umount(this.bed.path(`bundles/c${this.#bundles}/rootfs`));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.daemon.stop();
    await unmountBelow(this.bed.directory);
    await this.bed.close();
  }
}

function resolveIn(bed: PullBed, { toml = '', ...others }: DaemonSample): DaemonConfiguration {
  const tables = `[store]\nstate = "${bed.path('state')}"\n[api]\nbundle_roots = ["${bed.path('bundles')}"]\n`;
  return resolveSample({ toml: `${tables}${toml}`, ...others });
}
