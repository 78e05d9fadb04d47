import { SealiftError } from '../errors/index.ts';
import type { TransportSettings } from '../http/index.ts';
import type { SizeBound } from '../limits/index.ts';
import { type Descriptor, type Digest, type ManifestLimits, parseManifestDocument } from '../oci/index.ts';
import { type BlobPlace, explainForeignLayer, foreignPlaces } from './foreign-endpoints.ts';
import { PassedOver } from './skipped-endpoints.ts';
import { isSourceFailure } from './source-failure.ts';
import type { BlobOffer, FetchedDocument, ImageSource, ImageSupply } from './types.ts';

export interface SupplyEndpoint extends BlobPlace {
  readonly source: ImageSource;
}

export interface SupplyOptions {
  readonly limits: ManifestLimits;
  /** Told once for each endpoint and code. */
  readonly onRemark: (sentence: string) => void;
  /** Of requests to addresses that an image names for its foreign layers; undefined: these are not asked. */
  readonly foreignTransport?: TransportSettings | undefined;
}

interface Failed {
  readonly endpoint: BlobPlace;
  readonly error: SealiftError;
}

interface Offered {
  readonly descriptor: Descriptor;
  readonly endpoint: BlobPlace;
  /** Those that were left, this one included. */
  readonly places: readonly BlobPlace[];
}

/**
 * The endpoints of one image, mirrors first and its own registry last. Where an answer is missing, unavailable or wrong,
 * the next one is asked; what came from one place is asked for there again. Anything else an endpoint throws is final.
 */
class EndpointSupply implements ImageSupply {
  readonly #endpoints: readonly SupplyEndpoint[];
  readonly #options: SupplyOptions;
  readonly #passedOver: PassedOver;
  /** The one that gave the last manifest. */
  #preferred: SupplyEndpoint | undefined;
  /** For blobs of which an endpoint had no good copy: what is left. */
  readonly #places = new Map<Digest, readonly BlobPlace[]>();

  constructor(endpoints: readonly SupplyEndpoint[], options: SupplyOptions) {
    this.#endpoints = endpoints;
    this.#options = options;
    this.#passedOver = new PassedOver(options.onRemark);
  }

  async fetchManifest(tagOrDigest: string, signal?: AbortSignal): Promise<FetchedDocument> {
    const { endpoint, value } = await this.#askInTurn(this.#order(), async ({ source }) => {
      const document = await source.fetchManifest(tagOrDigest, signal);
      if (this.#hasAlternatives) this.#assertManifest(document);
      return document;
    });
    this.#preferred = endpoint;
    return value;
  }

  async fetchSmallBlob(descriptor: Descriptor, bound: SizeBound, signal?: AbortSignal): Promise<Uint8Array> {
    const { value } = await this.#askInTurn(this.#order(), ({ source }) =>
      source.fetchSmallBlob(descriptor, bound, signal),
    );
    return value;
  }

  async offerBlob(descriptor: Descriptor, signal?: AbortSignal): Promise<BlobOffer> {
    const places = this.#places.get(descriptor.digest) ?? [...this.#order(), ...this.#foreignPlaces(descriptor)];
    const { endpoint, value: request } = await this.#askInTurn(places, ({ source }) =>
      source.blobRequest(descriptor, signal),
    );
    const { source, transport } = endpoint;
    return {
      request,
      transport,
      renew: (challenge, renewSignal) => source.renewBlobRequest(descriptor, challenge, renewSignal),
      passOver: (error) => this.#passOver({ descriptor, endpoint, places }, error),
    };
  }

  remarks(): readonly string[] {
    return this.#passedOver.sentences();
  }

  get #hasAlternatives(): boolean {
    return this.#endpoints.length > 1;
  }

  /** All of them, from the preferred one on; those before it come last. */
  #order(): readonly SupplyEndpoint[] {
    const start = this.#preferred === undefined ? 0 : this.#endpoints.indexOf(this.#preferred);
    return [...this.#endpoints.slice(start), ...this.#endpoints.slice(0, start)];
  }

  /** A tag has no digest that would tell: what is no manifest at all is another endpoint's to answer. */
  #assertManifest({ rawBytes, contentType }: FetchedDocument): void {
    try {
      parseManifestDocument(rawBytes, contentType, this.#options.limits);
    } catch (error) {
      // An image of a kind that cannot be run is an answer, and is judged where images are.
      if (isSourceFailure(error)) throw error;
    }
  }

  #foreignPlaces(descriptor: Descriptor): readonly BlobPlace[] {
    return foreignPlaces(descriptor, this.#endpoints.at(-1)?.name ?? '', this.#options.foreignTransport);
  }

  async #askInTurn<Place extends BlobPlace, T>(
    endpoints: readonly Place[],
    ask: (endpoint: Place) => Promise<T>,
  ): Promise<{ readonly endpoint: Place; readonly value: T }> {
    const failed: Failed[] = [];
    for (const endpoint of endpoints) {
      try {
        const value = await ask(endpoint);
        for (const each of failed) this.#passedOver.note(each.endpoint.name, each.error);
        return { endpoint, value };
      } catch (error) {
        if (!isSourceFailure(error)) throw error;
        failed.push({ endpoint, error });
      }
    }
    throw this.#explain(failed);
  }

  /** The own registry's failure is the one that can be acted on; the others are its causes. */
  #explain(failed: readonly Failed[]): SealiftError {
    const own = this.#endpoints.at(-1);
    const decisive = failed.find(({ endpoint }) => endpoint === own) ?? failed.at(-1);
    if (decisive === undefined) return new SealiftError('INTERNAL', 'image supply: expected an endpoint, got none');
    const { error } = decisive;
    if (failed.length === 1) return error;
    const others = failed.filter((each) => each !== decisive);
    const summary = others.map(({ endpoint, error: { code } }) => `${endpoint.name}: ${code}`).join(', ');
    return new SealiftError(error.code, `${error.message}; at other places: ${summary}`, {
      context: error.context,
      hint: error.hint,
      cause: new AggregateError(
        failed.map((each) => each.error),
        'every endpoint failed',
      ),
    });
  }

  #passOver({ descriptor, endpoint, places }: Offered, error: unknown): boolean {
    const left = places.slice(places.indexOf(endpoint) + 1);
    if (!isSourceFailure(error)) return false;
    if (left.length === 0) {
      const isAllowed = this.#options.foreignTransport !== undefined;
      const foreign = this.#foreignPlaces(descriptor);
      const explained = explainForeignLayer(descriptor, foreign, isAllowed, error);
      if (explained !== undefined) throw explained;
      return false;
    }
    this.#passedOver.note(endpoint.name, error);
    this.#places.set(descriptor.digest, left);
    return true;
  }
}

/** At least one endpoint; the image's own registry is the last. Nothing is asked before the first call. */
export function createImageSupply(endpoints: readonly SupplyEndpoint[], options: SupplyOptions): ImageSupply {
  return new EndpointSupply(endpoints, options);
}
