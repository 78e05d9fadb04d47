import {
  type FakeRegistry,
  type FaultAction,
  type RecordedRequest,
  startFakeRegistry,
} from '../registries/fake-registry.ts';
import { actionsOf, type FaultName, type Place } from './fault-actions.ts';
import type { FaultPlace } from './fault-bed.ts';
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

  get only(): readonly FaultPlace[] {
    return [{ host: this.registry.host, insecure: true }];
  }

  /** The faulty one as a mirror of the sound one. */
  get withSound(): readonly FaultPlace[] {
    return [...this.only, { host: this.sound.host, insecure: true }];
  }

  /** Answers how often each of the fault's actions has met a request so far. */
  inject(fault: FaultName, place: Place, times = MANY): () => readonly number[] {
    const scene = { registry: this.registry, storage: this.storage, path: this.#path(place), size: this.#size(place) };
    const actions = actionsOf(fault, scene);
    const match = this.#match(place);
    const injected = actions.map((action, at) =>
      this.registry.inject({ match, action, times: at + 1 < actions.length ? 1 : times }),
    );
    return () => injected.map(({ hits }) => hits);
  }

  /** Once. */
  injectAction(action: FaultAction, place: Place): void {
    this.registry.inject({ match: this.#match(place), action });
  }

  requestsTo(place: Place): readonly RecordedRequest[] {
    return this.registry.requestsTo(this.#match(place));
  }

  soundRequestsTo(place: Place): readonly RecordedRequest[] {
    return this.sound.requestsTo(this.#match(place));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.registry, this.sound, this.storage].map((each) => each.close()));
  }

  #path(place: Place): string {
    const { index: _, ...parts } = this.#image;
    switch (place) {
      case 'ping':
        return '/v2/';
      case 'token':
        return '/token';
      case 'index':
        return `/v2/${REPOSITORY}/manifests/${TAG}`;
      case 'manifest':
        return `/v2/${REPOSITORY}/manifests/${parts.manifest.digest}`;
      default:
        return `/v2/${REPOSITORY}/blobs/${parts[place].digest}`;
    }
  }

  #match(place: Place): RegExp {
    return new RegExp(`^${this.#path(place)}(?:\\?|$)`);
  }

  /** Of the two that the registry makes up itself, so many that an action has something to cut. */
  #size(place: Place): number {
    if (place === 'ping') return 2;
    return place === 'token' ? '{"token":"token-1"}'.length : this.#image[place].size;
  }
}
