import { SealiftError } from '../errors/index.ts';
import {
  type AuthChallenge,
  type DocumentResponse,
  encodingOf,
  formatEncoding,
  type HttpClient,
  type HttpRequest,
  hintAfterRedirect,
  hintForMissing,
  mediaTypeOf,
} from '../http/index.ts';
import { type Limits, limitExceeded, type RefusingLimit, type SizeBound } from '../limits/index.ts';
import {
  type Descriptor,
  type Digest,
  digestAlgorithm,
  hashBytes,
  isDigest,
  MANIFEST_MEDIA_TYPES,
  OCI_INDEX,
  parseDigest,
} from '../oci/index.ts';
import { apiUrl, type Connection, type ConnectionOptions, openConnection } from './connection.ts';
import { describeRefusal, describeWords, refuseWebPage, type SentSecrets } from './error-body.ts';
import { hintMissingCredentials } from './hint-missing-credentials.ts';
import { isWithoutReferrers, readReferrersPage } from './referrers-page.ts';
import { SharedCall } from './shared-call.ts';
import type { FetchedDocument, ImageSource, ReferrersPage } from './types.ts';

export interface RegistrySourceOptions extends ConnectionOptions {
  readonly limits: Pick<Limits, 'maxManifestBytes' | 'maxTokenBytes' | 'maxSignatureBytes'>;
  /** When the caller gives up, on the clock of the options; absent if it waits for ever. */
  readonly deadlineMs?: number | undefined;
}

type MissingCode = 'REGISTRY_MANIFEST_UNKNOWN' | 'REGISTRY_BLOB_UNKNOWN';

/** Something below the repository, and the authorization to send for it. */
interface Asked {
  readonly path: string;
  /** True for the API of OpenShift beside `/v2/`. */
  readonly isExtension?: true;
  /** An address of the registry that it named itself; undefined: that of `path`. */
  readonly url?: string;
  readonly accept: string;
  readonly authorization: string | undefined;
}

interface Question extends Omit<Asked, 'authorization'> {
  readonly subject: string;
  readonly limit: RefusingLimit;
  readonly maxBytes: number;
  readonly missing: MissingCode;
}

/** One broken transfer may be chance; after a second one without a megabyte in between the next endpoint is asked. */
const TRIES_WITH_ALTERNATIVE = 2;

/** How a JSON object begins. */
const OBJECT_START = /^[ \t\r\n]*\{/;

const TAG = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;

/** The bytes of a document as they were sent, and as they are without the gzip of an intermediary. */
function bodiesOf({ body, decodedBody }: DocumentResponse): readonly Uint8Array[] {
  return decodedBody === undefined ? [body] : [body, decodedBody];
}

class RegistrySource implements ImageSource {
  readonly #options: RegistrySourceOptions;
  readonly #opening = new SharedCall<Connection>();
  #opened: Connection | undefined;
  /** Authorizations of all requests: a registry may quote a token that was replaced. */
  readonly #sent: (string | undefined)[] = [];

  constructor(options: RegistrySourceOptions) {
    const { http } = options;
    const fetchDocument: HttpClient['fetchDocument'] = (request, maxBytes, signal) =>
      http.fetchDocument({ ...request, ...this.#timeLeft() }, maxBytes, signal);
    // Requests for tokens have the same deadline.
    this.#options = { ...options, http: { fetchDocument } };
  }

  async fetchManifest(tagOrDigest: string, signal?: AbortSignal): Promise<FetchedDocument> {
    if (!isDigest(tagOrDigest) && !TAG.test(tagOrDigest)) {
      throw new SealiftError('REFERENCE_INVALID', `manifest "${tagOrDigest}": expected a tag or a digest`);
    }
    const question: Question = {
      subject: `manifest ${tagOrDigest} of ${this.#name()}`,
      path: `manifests/${tagOrDigest}`,
      accept: MANIFEST_MEDIA_TYPES.join(', '),
      limit: 'maxManifestBytes',
      maxBytes: this.#options.limits.maxManifestBytes,
      missing: 'REGISTRY_MANIFEST_UNKNOWN',
    };
    const response = await this.#get(question, signal);
    const { subject } = question;
    const rawBytes = isDigest(tagOrDigest)
      ? this.#verifyManifest(subject, tagOrDigest, response)
      : this.#tagged(subject, response);
    this.#checkClaimedDigest(subject, response, rawBytes);
    const digest = isDigest(tagOrDigest) ? tagOrDigest : hashBytes(rawBytes, 'sha256');
    return { rawBytes, digest, contentType: mediaTypeOf(response) };
  }

  #secrets(): SentSecrets {
    return { credentials: this.#opened?.credentials, authorizations: this.#sent };
  }

  #verifyManifest(subject: string, digest: Digest, response: DocumentResponse): Uint8Array {
    const algorithm = digestAlgorithm(digest);
    const right = bodiesOf(response).find((body) => hashBytes(body, algorithm) === digest);
    if (right !== undefined) return right;
    refuseWebPage(subject, response, this.#secrets());
    return this.#refuseDigest(subject, digest, `${hashBytes(response.body, algorithm)}${formatEncoding(response)}`);
  }

  /** No digest shows whether the bytes of a tag are encoded, but no manifest begins as gzip does. */
  #tagged(subject: string, response: DocumentResponse): Uint8Array {
    const { body, decodedBody } = response;
    refuseWebPage(subject, response, this.#secrets());
    if (decodedBody !== undefined) return decodedBody;
    const start = Buffer.from(body.subarray(0, 64)).toString('latin1');
    if (encodingOf(response) !== undefined && !OBJECT_START.test(start)) {
      throw new SealiftError(
        'HTTP_RESPONSE_INVALID',
        `${subject}: expected JSON, got bytes${formatEncoding(response)}`,
      );
    }
    return body;
  }

  async fetchSmallBlob(descriptor: Descriptor, bound: SizeBound, signal?: AbortSignal): Promise<Uint8Array> {
    const { digest, size } = descriptor;
    const { maxBytes, limit, what } = bound;
    const subject = `${what} ${digest} of ${this.#name()}`;
    if (size > maxBytes) throw limitExceeded(subject, { limit, expected: maxBytes, actual: size });
    const path = `blobs/${digest}`;
    const response = await this.#get(
      { subject, path, accept: '*/*', limit, maxBytes, missing: 'REGISTRY_BLOB_UNKNOWN' },
      signal,
    );
    const algorithm = digestAlgorithm(digest);
    const fitting = bodiesOf(response).filter(({ length }) => length === size);
    const right = fitting.find((body) => hashBytes(body, algorithm) === digest);
    if (right !== undefined) return right;
    refuseWebPage(subject, response, this.#secrets());
    const [wrong] = fitting;
    if (wrong === undefined) {
      const actual = `${response.body.length}${formatEncoding(response)}`;
      throw new SealiftError('BLOB_SIZE_MISMATCH', `${subject}: expected ${size} bytes, got ${actual}`);
    }
    const actual = `${hashBytes(wrong, algorithm)}${formatEncoding(response)}`;
    throw new SealiftError('BLOB_DIGEST_MISMATCH', `${subject}: got bytes with digest ${actual}`);
  }

  async fetchSignatureList(digest: Digest, signal?: AbortSignal): Promise<Uint8Array | undefined> {
    const connection = await this.#connect(signal);
    if (!connection.keepsSignatures) return undefined;
    const { maxSignatureBytes } = this.#options.limits;
    const subject = `signatures of ${digest} of ${this.#name()}`;
    try {
      const { body, decodedBody = body } = await this.#get(
        {
          ...{ subject, path: `signatures/${digest}`, isExtension: true, accept: 'application/json' },
          ...{ limit: 'maxSignatureBytes', maxBytes: maxSignatureBytes, missing: 'REGISTRY_MANIFEST_UNKNOWN' },
        },
        signal,
      );
      return decodedBody;
    } catch (error) {
      if (!(error instanceof SealiftError)) throw error;
      if (error.code === 'REGISTRY_MANIFEST_UNKNOWN') return undefined;
      if (error.context['limit'] !== 'maxSignatureBytes') throw error;
      throw limitExceeded(subject, { limit: 'maxSignatureBytes', expected: maxSignatureBytes, actual: 'more' });
    }
  }

  async fetchReferrers(
    digest: Digest,
    page: string | undefined,
    signal?: AbortSignal,
  ): Promise<ReferrersPage | undefined> {
    const connection = await this.#connect(signal);
    const subject = `list of what refers to ${digest} of ${this.#name()}`;
    const path = `referrers/${digest}`;
    const url = page ?? this.#url(connection, { path });
    try {
      const response = await this.#get(
        {
          ...{ subject, path, url, accept: OCI_INDEX, missing: 'REGISTRY_MANIFEST_UNKNOWN' },
          ...{ limit: 'maxManifestBytes', maxBytes: this.#options.limits.maxManifestBytes },
        },
        signal,
      );
      return readReferrersPage(response, { subject, url, secrets: this.#secrets() });
    } catch (error) {
      if (page === undefined && isWithoutReferrers(error)) return undefined;
      throw error;
    }
  }

  async blobRequest(descriptor: Descriptor, signal?: AbortSignal): Promise<HttpRequest> {
    const connection = await this.#connect(signal);
    const authorization = await this.#hinted(connection.authenticator.authorization(signal));
    return this.#request(connection, { path: `blobs/${descriptor.digest}`, accept: '*/*', authorization });
  }

  async renewBlobRequest(descriptor: Descriptor, challenge: AuthChallenge, signal?: AbortSignal): Promise<HttpRequest> {
    const connection = await this.#connect(signal);
    const { authenticator } = connection;
    const { status = 401, refusedAuthorization } = challenge;
    const authorization =
      status === 400 && refusedAuthorization !== undefined
        ? ((await authenticator.replaceToken(refusedAuthorization, signal)) ?? refusedAuthorization)
        : await this.#hinted(authenticator.renew(challenge, signal));
    return this.#request(connection, { path: `blobs/${descriptor.digest}`, accept: '*/*', authorization });
  }

  #hinted<T>(answer: Promise<T>): Promise<T> {
    const hint = () => (this.#opened?.credentials === undefined ? this.#options.missingCredentialsHint : undefined);
    return hintMissingCredentials(answer, hint);
  }

  #name(): string {
    return `${this.#options.reference.domain}/${this.#options.reference.path}`;
  }

  async #connect(signal: AbortSignal | undefined): Promise<Connection> {
    this.#opened ??= await this.#opening.run((shared) => openConnection(this.#options, shared), signal);
    return this.#opened;
  }

  #url({ origin }: Connection, { path, isExtension }: Pick<Asked, 'path' | 'isExtension'>): string {
    const { reference, mirrorApi } = this.#options;
    const below = `${reference.path}/${path}`;
    return isExtension ? `${origin}/extensions/v2/${below}` : apiUrl(origin, below, mirrorApi);
  }

  #request(connection: Connection, asked: Asked): HttpRequest {
    const { hasAlternative = false } = this.#options;
    const { accept, authorization, url = this.#url(connection, asked) } = asked;
    return {
      url,
      method: 'GET',
      headers: { accept, ...(authorization === undefined ? {} : { authorization }) },
      allowHttp: connection.origin.startsWith('http:'),
      ...(hasAlternative ? { tries: TRIES_WITH_ALTERNATIVE } : {}),
      ...this.#timeLeft(),
    };
  }

  #timeLeft(): Pick<HttpRequest, 'leftMs'> {
    const { deadlineMs, clock } = this.#options;
    return deadlineMs === undefined ? {} : { leftMs: Math.max(0, deadlineMs - clock.now()) };
  }

  #get(question: Question, signal: AbortSignal | undefined): Promise<DocumentResponse> {
    return this.#hinted(this.#fetch(question, signal));
  }

  /** Fetches a document and expects status 200; the authorization is renewed once at most. */
  async #fetch(question: Question, signal: AbortSignal | undefined): Promise<DocumentResponse> {
    const connection = await this.#connect(signal);
    const { authenticator } = connection;
    const ask = (authorization: string | undefined) => {
      if (!this.#sent.includes(authorization)) this.#sent.push(authorization);
      return this.#options.http.fetchDocument(
        { ...this.#request(connection, { ...question, authorization }), bound: question.limit },
        question.maxBytes,
        signal,
      );
    };
    const first = await authenticator.authorization(signal);
    let authorization = first;
    let response = await ask(authorization);
    if (response.status === 401 && !response.redirected) {
      const refused = authorization === undefined ? {} : { refusedAuthorization: authorization };
      const words = describeWords(response, this.#secrets());
      authorization = await authenticator.renew(
        { headers: response.headers['www-authenticate'] ?? [], ...refused, words },
        signal,
      );
      response = await ask(authorization);
    }
    if (response.status === 400 && !response.redirected && authorization !== undefined && authorization === first) {
      // Some registries answer a dead token with 400.
      const replaced = await authenticator.replaceToken(authorization, signal);
      if (replaced !== undefined && replaced !== authorization) {
        authorization = replaced;
        response = await ask(authorization);
      }
    }
    if (response.status !== 200) this.#refuseStatus(question, response);
    return response;
  }

  #refuseStatus(question: Question, response: DocumentResponse): never {
    const { status, redirectedTo } = response;
    const refusal = describeRefusal(response, this.#secrets());
    const message = `${question.subject}: ${refusal}${this.#doubt()}`;
    const context = { status };
    if (status === 401 || status === 403) {
      const hint = redirectedTo === undefined ? {} : { hint: hintAfterRedirect(redirectedTo) };
      throw new SealiftError('REGISTRY_AUTH_REJECTED', message, { ...hint, context });
    }
    if (status === 404) {
      const page = { headers: response.headers, excerpt: response.body };
      const hint = redirectedTo === undefined ? hintForMissing(page) : {};
      throw new SealiftError(question.missing, message, { ...hint, context });
    }
    throw new SealiftError('HTTP_STATUS_UNEXPECTED', message, { context });
  }

  /** Says what the ping has shown if the host may be no registry at all. */
  #doubt(): string {
    const status = this.#opened?.pingStatus ?? 200;
    const isDoubtful = status === 404 || status === 405;
    return isDoubtful ? `; GET /v2/ had status ${status} too, so this may be no registry` : '';
  }

  /** Nothing relies on this header, but one that contradicts the bytes shows that something is wrong. */
  #checkClaimedDigest(subject: string, { headers }: DocumentResponse, rawBytes: Uint8Array): void {
    for (const rawClaim of headers['docker-content-digest'] ?? []) {
      const claimed = parseDigest(rawClaim);
      const actual = hashBytes(rawBytes, digestAlgorithm(claimed));
      if (actual !== claimed) this.#refuseDigest(subject, claimed, actual);
    }
  }

  #refuseDigest(subject: string, expected: string, actual: string): never {
    throw new SealiftError(
      'MANIFEST_DIGEST_MISMATCH',
      `${subject}: expected ${expected}, got bytes with digest ${actual}`,
    );
  }
}

/** Returns a source for one repository, over the OCI distribution protocol. No request is sent before its first call. */
export function createRegistrySource(options: RegistrySourceOptions): ImageSource {
  return new RegistrySource(options);
}
