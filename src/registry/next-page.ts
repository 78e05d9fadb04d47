import { SealiftError } from '../errors/index.ts';

/** One link of a header: the address, and the parameters behind it. No text can be divided in two ways. https://www.rfc-editor.org/rfc/rfc8288#section-3 */
const LINK = /^[\s,]*<([^<>]*)>((?:\s*;\s*[^\s;,="<>]+(?:\s*=\s*(?:"[^"]*"|[^\s;,"]+))?)*)\s*(?:,|$)/;
const RELATION = /;\s*rel\s*=\s*(?:"([^"]*)"|([^\s;,"]*))/i;

function refuse(url: string, why: string): never {
  throw new SealiftError('HTTP_RESPONSE_INVALID', `GET ${url}: Link to the next page: ${why}`);
}

/** Returns the addresses of the links with the relation `next`. A header that cannot be read is refused. */
function nextLinks(url: string, rawLinks: readonly string[]): readonly string[] {
  const found: string[] = [];
  for (const rawLink of rawLinks) {
    for (let left = rawLink; left.trim() !== ''; ) {
      const [whole, target = '', parameters = ''] = LINK.exec(left) ?? refuse(url, 'expected links as in RFC 8288');
      const [, quoted, plain = ''] = RELATION.exec(parameters) ?? [];
      const relations = (quoted ?? plain).toLowerCase().split(/\s+/);
      if (relations.includes('next')) found.push(target);
      left = left.slice(whole.length);
    }
  }
  return found;
}

/**
 * Returns the address of the page behind the one at `url`; undefined: there is none. The Link headers are
 * attacker-controlled, and the request for the next page carries the credentials of the registry, so it must have the
 * same origin. Throws `HTTP_RESPONSE_INVALID`.
 * https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#listing-referrers
 */
export function nextPage(url: string, rawLinks: readonly string[]): string | undefined {
  const [rawTarget, ...others] = nextLinks(url, rawLinks);
  if (rawTarget === undefined) return undefined;
  if (others.length > 0) return refuse(url, `expected one, got ${others.length + 1}`);
  const from = new URL(url);
  const target = URL.parse(rawTarget, from.href) ?? refuse(url, 'expected a URL');
  if (target.origin !== from.origin) return refuse(url, `expected the origin ${from.origin}, got ${target.origin}`);
  if (target.username !== '' || target.password !== '') return refuse(url, 'expected no user name or password');
  target.hash = '';
  // A mirror of several registries finds the registry by this parameter, which the link of another server lacks.
  const namespace = from.searchParams.get('ns');
  if (namespace !== null && !target.searchParams.has('ns')) target.searchParams.set('ns', namespace);
  return target.href;
}
