import { SealiftError } from '../errors/index.ts';
import type { TransportSettings } from '../http/index.ts';
import type { SizeBound } from '../limits/index.ts';
import { type Descriptor, type Digest, type ManifestLimits, parseManifestDocument } from '../oci/index.ts';
import { type BlobEndpoint, explainForeignLayer, foreignEndpoints } from './foreign-endpoints.ts';
import { SkippedEndpoints } from './skipped-endpoints.ts';
import { isSourceFailure } from './source-failure.ts';
import type { AttachmentSource, BlobOffer, FetchedDocument, ImageSource, ImageSupply } from './types.ts';

export interface SupplyEndpoint extends BlobEndpoint {
  readonly source: ImageSource;
}

export interface SupplyOptions {
  readonly limits: ManifestLimits;
  /** Called once for each endpoint and code. */
  readonly onRemark: (sentence: string) => void;
  /** The transport to addresses that an image names for its foreign layers; undefined: these are not asked. */
  readonly foreignTransport?: TransportSettings | undefined;
}

interface Failed {
  readonly endpoint: BlobEndpoint;
  readonly error: SealiftError;
}

interface Offered {
  readonly descriptor: Descriptor;
  readonly endpoint: BlobEndpoint;
  /** Those that had not failed for this blob when it was offered, this one included. */
  readonly endpoints: readonly BlobEndpoint[];
}

/**
 * The endpoints of one image, mirrors first and its own registry last. Where an answer is missing, unavailable or wrong,
 * the next one is asked; the endpoint that gave the manifest is asked first from then on. Any other error is final.
 */
class EndpointSupply implements ImageSupply {
  readonly #endpoints: readonly SupplyEndpoint[];
  readonly #options: SupplyOptions;
  readonly #skipped: SkippedEndpoints;
  /** The one that gave the last manifest. */
  #preferred: SupplyEndpoint | undefined;
  /** The endpoints that are left for each blob of which one had no good copy. */
  readonly #remaining = new Map<Digest, readonly BlobEndpoint[]>();

  constructor(endpoints: readonly SupplyEndpoint[], options: SupplyOptions) {
    this.#endpoints = endpoints;
    this.#options = options;
    this.#skipped = new SkippedEndpoints(options.onRemark);
  }

  async fetchManifest(tagOrDigest: string, signal?: AbortSignal): Promise<FetchedDocument> {
    const { endpoint, value } = await this.#askInOrder(this.#order(), async ({ source }) => {
      const document = await source.fetchManifest(tagOrDigest, signal);
      if (this.#hasAlternatives) this.#assertManifest(document);
      return document;
    });
    this.#preferred = endpoint;
    return value;
  }

  async fetchSmallBlob(descriptor: Descriptor, bound: SizeBound, signal?: AbortSignal): Promise<Uint8Array> {
    const { value } = await this.#askInOrder(this.#order(), ({ source }) =>
      source.fetchSmallBlob(descriptor, bound, signal),
    );
    return value;
  }

  async offerBlob(descriptor: Descriptor, signal?: AbortSignal): Promise<BlobOffer> {
    const all = () => [...this.#order(), ...this.#foreignEndpoints(descriptor)];
    const endpoints = this.#remaining.get(descriptor.digest) ?? all();
    const { endpoint, value: request } = await this.#askInOrder(endpoints, ({ source }) =>
      source.blobRequest(descriptor, signal),
    );
    const { source, transport } = endpoint;
    return {
      request,
      transport,
      renew: (challenge, renewSignal) => source.renewBlobRequest(descriptor, challenge, renewSignal),
      skip: (failure) => this.#skip({ descriptor, endpoint, endpoints }, failure),
    };
  }

  signatureSources(): readonly AttachmentSource[] {
    return this.#order().map(({ name, source }) => ({
      name,
      fetchManifest: (tagOrDigest, signal) => source.fetchManifest(tagOrDigest, signal),
      fetchSmallBlob: (descriptor, bound, signal) => source.fetchSmallBlob(descriptor, bound, signal),
      fetchSignatureList: (digest, signal) => source.fetchSignatureList(digest, signal),
      fetchReferrers: (digest, page, signal) => source.fetchReferrers(digest, page, signal),
    }));
  }

  remarks(): readonly string[] {
    return this.#skipped.sentences();
  }

  get #hasAlternatives(): boolean {
    return this.#endpoints.length > 1;
  }

  /** All of them, from the preferred one on; those before it come last. */
  #order(): readonly SupplyEndpoint[] {
    const start = this.#preferred === undefined ? 0 : this.#endpoints.indexOf(this.#preferred);
    return [...this.#endpoints.slice(start), ...this.#endpoints.slice(0, start)];
  }

  /**
   * A tag carries no digest to check against, so a response that does not parse as a manifest counts as this endpoint's
   * failure and the next one is asked.
   */
  #assertManifest({ rawBytes, contentType }: FetchedDocument): void {
    try {
      parseManifestDocument(rawBytes, contentType, this.#options.limits);
    } catch (error) {
      // An image of a kind that cannot be run is an answer; the pull refuses it.
      if (isSourceFailure(error)) throw error;
    }
  }

  #foreignEndpoints(descriptor: Descriptor): readonly BlobEndpoint[] {
    return foreignEndpoints(descriptor, this.#endpoints.at(-1)?.name ?? '', this.#options.foreignTransport);
  }

  async #askInOrder<Endpoint extends BlobEndpoint, T>(
    endpoints: readonly Endpoint[],
    ask: (endpoint: Endpoint) => Promise<T>,
  ): Promise<{ readonly endpoint: Endpoint; readonly value: T }> {
    const failed: Failed[] = [];
    for (const endpoint of endpoints) {
      try {
        const value = await ask(endpoint);
        for (const each of failed) this.#skipped.note(each.endpoint.name, each.error);
        return { endpoint, value };
      } catch (error) {
        if (!isSourceFailure(error)) throw error;
        failed.push({ endpoint, error });
      }
    }
    throw this.#explain(failed);
  }

  /** The failure of the image's own registry is the one that a user can act on; the others are its causes. */
  #explain(failed: readonly Failed[]): SealiftError {
    const own = this.#endpoints.at(-1);
    const decisive = failed.find(({ endpoint }) => endpoint === own) ?? failed.at(-1);
    if (decisive === undefined) return new SealiftError('INTERNAL', 'image supply: expected an endpoint, got none');
    const { error } = decisive;
    if (failed.length === 1) return error;
    const others = failed.filter((each) => each !== decisive);
    const summary = others.map((each) => `${each.endpoint.name}: ${each.error.code}: ${each.error.message}`).join('; ');
    return new SealiftError(error.code, `${error.message}; other endpoints failed too: ${summary}`, {
      context: error.context,
      hint: error.hint,
      cause: new AggregateError(
        failed.map((each) => each.error),
        'every endpoint failed',
      ),
    });
  }

  #skip({ descriptor, endpoint, endpoints }: Offered, error: SealiftError): boolean {
    const remaining = endpoints.slice(endpoints.indexOf(endpoint) + 1);
    if (!isSourceFailure(error)) return false;
    if (remaining.length === 0) {
      const explained = explainForeignLayer({
        descriptor,
        endpoints: this.#foreignEndpoints(descriptor),
        isAllowed: this.#options.foreignTransport !== undefined,
        error,
      });
      if (explained !== undefined) throw explained;
      return false;
    }
    this.#skipped.note(endpoint.name, error);
    this.#remaining.set(descriptor.digest, remaining);
    return true;
  }
}

/** Expects at least one endpoint; the image's own registry is the last. None is asked before the first call. */
export function createImageSupply(endpoints: readonly SupplyEndpoint[], options: SupplyOptions): ImageSupply {
  return new EndpointSupply(endpoints, options);
}
