import { SealiftError } from '../errors/index.ts';
import { sameOrigin } from './origin.ts';
import { isPrivateHost } from './private-host.ts';
import type { HttpRequest } from './types.ts';

/** The only headers that are sent to another origin. */
const OPEN_HEADERS = new Set(['accept', 'accept-encoding', 'range', 'user-agent']);

/** Statuses with which a storage service answers once the signed address that a redirect named has expired. */
const EXPIRED_STATUSES = new Set([400, 401, 403, 404, 410]);

const REDIRECT_STATUSES = new Set([301, 302, 303, 307, 308]);

export function isRedirect(status: number): boolean {
  return REDIRECT_STATUSES.has(status);
}

/** True if a host that a redirect led to may answer so because the address has expired. */
export function isExpired(status: number): boolean {
  return EXPIRED_STATUSES.has(status);
}

function refuse(from: URL, why: string): never {
  throw new SealiftError('HTTP_REDIRECT_REFUSED', `redirect from ${from.href}: ${why}`);
}

function parseTarget(from: URL, rawLocations: readonly string[]): URL {
  const [rawLocation, ...others] = rawLocations;
  if (rawLocation === undefined) return refuse(from, 'expected a Location header, got none');
  if (others.length > 0) return refuse(from, `expected one Location header, got ${rawLocations.length}`);
  const target = URL.parse(rawLocation, from.href) ?? refuse(from, 'the Location is not a URL');
  target.hash = '';
  return target;
}

function assertTarget(from: URL, target: URL, allowHttp: boolean): void {
  if (target.username !== '' || target.password !== '') refuse(from, 'the Location carries a user name or password');
  const staysOnHttp = target.protocol === 'http:' && from.protocol === 'http:' && allowHttp;
  if (target.protocol !== 'https:' && !staysOnHttp) {
    refuse(from, `expected https, got a Location with ${target.protocol}`);
  }
  if (isPrivateHost(target.hostname) && !isPrivateHost(from.hostname)) {
    refuse(from, `a public host points to the private address ${target.hostname}`);
  }
}

/**
 * Returns the request that follows a redirect; `rawLocations` are the attacker-controlled Location headers.
 *
 * Another origin gets no Authorization. As each request is made from the one before, none is sent again later either.
 * Throws `HTTP_REDIRECT_REFUSED`. https://www.rfc-editor.org/rfc/rfc9110#section-15.4
 */
export function nextHop(request: HttpRequest, status: number, rawLocations: readonly string[]): HttpRequest {
  const from = new URL(request.url);
  const target = parseTarget(from, rawLocations);
  assertTarget(from, target, request.allowHttp);
  if (sameOrigin(from, target)) {
    if (request.method === 'POST' && status !== 307 && status !== 308)
      refuse(from, `status ${status} would drop the body`);
    return { ...request, url: target.href };
  }
  // The body of a POST is a refresh token.
  if (request.method === 'POST') refuse(from, `a POST must stay on its origin, got ${target.origin}`);
  const headers = Object.fromEntries(Object.entries(request.headers).filter(([name]) => OPEN_HEADERS.has(name)));
  return { ...request, url: target.href, headers };
}
