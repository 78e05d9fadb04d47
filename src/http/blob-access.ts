import { raceCancellation } from './cancellation.ts';
import type { AuthChallenge, BlobStream, HttpRequest, ResponseHead } from './types.ts';

/** What a signed address answers when its time is over. */
const EXPIRED_STATUSES = new Set([401, 403, 404, 410]);

/** Whom a blob is asked from: the request, its token renewed when it runs out, and where redirects had led to. */
export class BlobAccess {
  readonly #stream: BlobStream;
  #request: HttpRequest;
  /** What the last answer came from, when it was a redirect that led there. */
  #shortcut: HttpRequest | undefined;
  /** Renewed, and not accepted by the registry since. */
  #renewed = false;
  #renewal: Promise<void> | undefined;

  constructor(stream: BlobStream) {
    this.#stream = stream;
    this.#request = stream.request;
  }

  /** To be followed from its beginning. */
  get request(): HttpRequest {
    return this.#request;
  }

  /** The same without the redirects, as long as that works. Headers are those that redirects had left over. */
  get shortest(): HttpRequest {
    return this.#shortcut ?? this.#request;
  }

  noteAccepted(asked: HttpRequest): void {
    if (asked === this.#request) this.#renewed = false;
  }

  /** An answer to be read came from there. */
  noteSource(answered: HttpRequest): void {
    if (answered.url === this.#request.url || answered.url === this.#shortcut?.url) return;
    const { range: _range, 'if-range': _ifRange, ...headers } = answered.headers;
    this.#shortcut = { ...answered, headers };
  }

  /** Says whether to ask again, since `asked` was a short cut that is closed now. */
  leaveShortcut(asked: HttpRequest, status: number): boolean {
    if (asked === this.#request || !EXPIRED_STATUSES.has(status)) return false;
    if (asked === this.#shortcut) this.#shortcut = undefined;
    return true;
  }

  /** Says whether to ask again after a 401 to `asked`: one token is renewed once, whoever of the connections meets it. */
  async renew(head: ResponseHead, asked: HttpRequest): Promise<boolean> {
    if (asked !== this.#request) return true;
    if (this.#renewed) return false;
    this.#renewal ??= this.#askForToken(head).finally(() => {
      this.#renewal = undefined;
    });
    await raceCancellation(this.#renewal, this.#stream.signal);
    return true;
  }

  async #askForToken(head: ResponseHead): Promise<void> {
    const refused = this.#request.headers['authorization'];
    const challenge: AuthChallenge = {
      headers: head.headers['www-authenticate'] ?? [],
      ...(refused === undefined ? {} : { refusedAuthorization: refused }),
    };
    this.#request = await this.#stream.onUnauthorized(challenge);
    this.#shortcut = undefined;
    this.#renewed = true;
  }
}
