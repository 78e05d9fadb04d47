import {
  type FakeRegistry,
  type FaultAction,
  type RecordedRequest,
  startFakeRegistry,
} from '../registries/fake-registry.ts';
import { actionsOf, type FaultName, type FaultPoint } from './fault-actions.ts';
import type { FaultEndpoint } from './fault-bed.ts';
import { buildFaultImage, type FaultImage, REPOSITORY, serveFaultImage, TAG } from './fault-image.ts';

const MANY = 1_000_000;

/** Three registries with one image: the faulty one, a sound one, and one that redirects may lead to. */
export class FaultStage implements AsyncDisposable {
  readonly registry: FakeRegistry;
  readonly sound: FakeRegistry;
  readonly storage: FakeRegistry;
  readonly #image: FaultImage;

  private constructor(image: FaultImage, registries: readonly [FakeRegistry, FakeRegistry, FakeRegistry]) {
    this.#image = image;
    [this.registry, this.sound, this.storage] = registries;
    for (const registry of registries) serveFaultImage(registry, image);
  }

  static async open(image: FaultImage = buildFaultImage()): Promise<FaultStage> {
    const auth = { kind: 'bearer' } as const;
    return new FaultStage(image, [
      await startFakeRegistry({ auth }),
      await startFakeRegistry({ auth }),
      await startFakeRegistry(),
    ]);
  }

  get only(): readonly FaultEndpoint[] {
    return [{ host: this.registry.host, insecure: true }];
  }

  /** The faulty registry as a mirror of the sound one. */
  get withSound(): readonly FaultEndpoint[] {
    return [...this.only, { host: this.sound.host, insecure: true }];
  }

  /** Returns a function that reports how many requests each of the fault's actions has met so far. */
  inject(fault: FaultName, point: FaultPoint, times = MANY): () => readonly number[] {
    const scene = { registry: this.registry, storage: this.storage, path: this.#path(point), size: this.#size(point) };
    const actions = actionsOf(fault, scene);
    const match = this.#match(point);
    const injected = actions.map((action, at) =>
      this.registry.inject({ match, action, times: at + 1 < actions.length ? 1 : times }),
    );
    return () => injected.map(({ hits }) => hits);
  }

  /** Injects an action for one request. */
  injectAction(action: FaultAction, point: FaultPoint): void {
    this.registry.inject({ match: this.#match(point), action });
  }

  requestsTo(point: FaultPoint): readonly RecordedRequest[] {
    return this.registry.requestsTo(this.#match(point));
  }

  soundRequestsTo(point: FaultPoint): readonly RecordedRequest[] {
    return this.sound.requestsTo(this.#match(point));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.registry, this.sound, this.storage].map((each) => each.close()));
  }

  #path(point: FaultPoint): string {
    const { index: _, ...parts } = this.#image;
    switch (point) {
      case 'ping':
        return '/v2/';
      case 'token':
        return '/token';
      case 'index':
        return `/v2/${REPOSITORY}/manifests/${TAG}`;
      case 'manifest':
        return `/v2/${REPOSITORY}/manifests/${parts.manifest.digest}`;
      default:
        return `/v2/${REPOSITORY}/blobs/${parts[point].digest}`;
    }
  }

  #match(point: FaultPoint): RegExp {
    return new RegExp(`^${this.#path(point)}(?:\\?|$)`);
  }

  /** The size of the right answer. For the two that the registry makes up itself it is large enough to be cut. */
  #size(point: FaultPoint): number {
    if (point === 'ping') return 2;
    return point === 'token' ? '{"token":"token-1"}'.length : this.#image[point].size;
  }
}
