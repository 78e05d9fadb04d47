import { raceCancellation } from '../errors/index.ts';
import { isExpired } from './redirect.ts';
import { formatServerWords, secretsOfRequest } from './server-words.ts';
import type { AuthChallenge, BlobStream, HttpRequest, ResponseHead } from './types.ts';

/** A response that asks for credentials, with the start of its body. */
interface Refused {
  readonly head: ResponseHead;
  readonly excerpt: Uint8Array;
}

/** True for a status after which another token may help. */
export function asksForToken(status: number): boolean {
  return status === 401 || status === 400;
}

/** The current request for a blob. It renews the token after a 401 and remembers where redirects led. */
export class BlobAccess {
  readonly #stream: BlobStream;
  #request: HttpRequest;
  /** The request of the last response, if redirects led there. */
  #shortcut: HttpRequest | undefined;
  /** True if the token was renewed and the registry has not accepted it yet. */
  #renewed = false;
  #renewal: Promise<void> | undefined;
  readonly #sent: string[] = [];

  constructor(stream: BlobStream) {
    this.#stream = stream;
    this.#request = stream.request;
  }

  /** The request to the registry, from which redirects must be followed. */
  get request(): HttpRequest {
    return this.#request;
  }

  /** The secrets of requests that were renewed, which a server may still quote. */
  get formerSecrets(): readonly string[] {
    return this.#sent;
  }

  /** The request that skips the redirects while that works. It has only the headers that the redirects kept. */
  get shortest(): HttpRequest {
    return this.#shortcut ?? this.#request;
  }

  /** The server answered `asked` with bytes of the blob. */
  noteAccepted(asked: HttpRequest): void {
    if (asked === this.#request) this.#renewed = false;
  }

  /** A response whose body is read came from `answered`. */
  noteSource(answered: HttpRequest): void {
    if (answered.url === this.#request.url || answered.url === this.#shortcut?.url) return;
    const { range: _range, 'if-range': _ifRange, ...headers } = answered.headers;
    this.#shortcut = { ...answered, headers };
  }

  /** Returns true if `asked` was a shortcut that has expired, so that the request must be sent again without it. */
  leaveShortcut(asked: HttpRequest, status: number): boolean {
    if (asked === this.#request || !isExpired(status)) return false;
    if (asked === this.#shortcut) this.#shortcut = undefined;
    return true;
  }

  /**
   * Returns true if the request must be sent again after a 401 to `asked`, or after a 400, with which some registries
   * answer a dead token. Connections share one renewal.
   */
  async renew({ head, excerpt }: Refused, asked: HttpRequest): Promise<boolean> {
    if (head.status === 400 && !/^bearer /i.test(asked.headers['authorization'] ?? '')) return false;
    if (asked !== this.#request) return true;
    if (this.#renewed) return false;
    this.#renewal ??= this.#askForToken({ head, excerpt }).finally(() => {
      this.#renewal = undefined;
    });
    await raceCancellation(this.#renewal, this.#stream.signal);
    return head.status === 401 || asked.headers['authorization'] !== this.#request.headers['authorization'];
  }

  async #askForToken({ head, excerpt }: Refused): Promise<void> {
    const refused = this.#request.headers['authorization'];
    const words = formatServerWords({ headers: head.headers, excerpt }, [
      ...this.#sent,
      ...secretsOfRequest(this.#request),
    ]);
    this.#sent.push(...secretsOfRequest(this.#request));
    const challenge: AuthChallenge = {
      ...(head.status === 401 ? {} : { status: head.status }),
      headers: head.headers['www-authenticate'] ?? [],
      ...(refused === undefined ? {} : { refusedAuthorization: refused }),
      ...(words === '' ? {} : { words }),
    };
    this.#request = await this.#stream.onUnauthorized(challenge);
    this.#shortcut = undefined;
    this.#renewed = true;
  }
}
