import { SealiftError } from '../errors/index.ts';
import { limitExceeded } from '../limits/index.ts';
import { type ExchangeOptions, exchange, type Receiver, type Wire } from './exchange.ts';
import { sameOrigin } from './origin.ts';
import { isRedirect, nextHop } from './redirect.ts';
import type { HttpRequest, ResponseHead } from './types.ts';

export type Followed =
  | {
      readonly kind: 'complete';
      readonly head: ResponseHead;
      /** The address that answered. */
      readonly url: string;
      /** The start of the body if the receiver asked for it. */
      readonly excerpt: Uint8Array;
      /** True if a redirect left the origin of the first request, even if a later one came back to it. */
      readonly redirected: boolean;
    }
  | { readonly kind: 'broken'; readonly url: string; readonly cause: unknown };

function assertFirstHop(request: HttpRequest): void {
  const protocol = URL.parse(request.url)?.protocol;
  if (protocol === undefined) {
    throw new SealiftError('HTTP_UNAVAILABLE', `${request.method} ${request.url}: not a URL: wrong host or port`, {
      hint: 'check the host and the port (at most 65535) in the name',
    });
  }
  if (protocol === 'https:' || (protocol === 'http:' && request.allowHttp)) return;
  throw new SealiftError('HTTP_UNAVAILABLE', `${request.method} ${request.url}: expected https`, {
    hint: 'allow plain http for this registry with --tls-verify=false if its network is trusted',
  });
}

function isFollowed({ isProbe = false }: HttpRequest, { status }: ResponseHead): boolean {
  return isRedirect(status) && !isProbe;
}

/** Discards the responses of redirects that are followed, and passes any other to `receiver`. */
function stopAtRedirect(receiver: Receiver): Receiver {
  return {
    onHead: (head, request) => (isFollowed(request, head) ? 'discard' : receiver.onHead(head, request)),
    onData: (chunk) => receiver.onData(chunk),
    blockedMs: receiver.blockedMs,
  };
}

/** Makes an exchange and follows up to `maxRedirects` redirects. Throws `HTTP_REDIRECT_REFUSED`. */
export async function follow(wire: Wire, options: ExchangeOptions): Promise<Followed> {
  const { request: first } = options;
  const receiver = stopAtRedirect(options.receiver);
  assertFirstHop(first);
  let request = first;
  let redirected = false;
  for (let hops = 0; hops <= wire.limits.maxRedirects; hops++) {
    const outcome = await exchange(wire, { ...options, request, receiver });
    if (outcome.kind === 'broken') return { kind: 'broken', url: request.url, cause: outcome.cause };
    const { head, excerpt } = outcome;
    if (!isFollowed(request, head)) return { kind: 'complete', head, url: request.url, excerpt, redirected };
    request = nextHop(request, head.status, head.headers['location'] ?? []);
    redirected ||= !sameOrigin(first.url, request.url);
  }
  const { maxRedirects: expected } = wire.limits;
  throw limitExceeded(`redirects from ${first.url}`, { limit: 'maxRedirects', expected, actual: 'more' });
}
