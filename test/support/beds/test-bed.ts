import { type BuiltImage, pushImage } from '../builders/image-builder.ts';
import { unmountBelow } from '../machine/mounts.ts';
import { Scratch } from '../machine/scratch.ts';
import { runSealift, type SealiftOptions, type SealiftResult } from '../programs/sealift-command.ts';
import { startTamperProxy, type TamperProxy } from '../proxies/tamper-proxy.ts';
import { type RegistryOptions, type RunningRegistry, startDockerRegistry } from '../registries/docker-registry.ts';

/** A registry behind a proxy that counts and alters responses, and a folder for all files of a test. */
export class TestBed implements AsyncDisposable {
  readonly registry: RunningRegistry;
  readonly proxy: TamperProxy;
  readonly scratch = new Scratch('bed');
  #folders = 0;

  private constructor(registry: RunningRegistry, proxy: TamperProxy) {
    this.registry = registry;
    this.proxy = proxy;
  }

  static async open(options: RegistryOptions = {}): Promise<TestBed> {
    const registry = await startDockerRegistry(options);
    return new TestBed(registry, await startTamperProxy(registry.host));
  }

  /** Returns a path in the scratch folder at which nothing exists yet. */
  newPath(name: string): string {
    this.#folders += 1;
    return this.scratch.join(`${name}-${this.#folders}`);
  }

  push(repository: string, tag: string, image: BuiltImage): Promise<void> {
    return pushImage(this.registry.url, repository, tag, image);
  }

  /** `repository:tag` or `repository@digest` behind the proxy. */
  reference(name: string): string {
    return `${this.proxy.host}/${name}`;
  }

  /** Runs `sealift pull` through the proxy, with the additional `parameters`. */
  pull(name: string, parameters: readonly string[], options: SealiftOptions = {}): Promise<SealiftResult> {
    return runSealift(['pull', this.reference(name), '--tls-verify=false', ...parameters], options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await unmountBelow(this.scratch.path);
    await this.proxy.stop();
    await this.registry.stop();
    this.scratch[Symbol.dispose]();
  }
}
