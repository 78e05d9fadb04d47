import type { Reference } from '../../../src/oci/index.ts';

const DOMAIN_COMPONENT = '(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])';
const HOST = `(?:${DOMAIN_COMPONENT}(?:\\.${DOMAIN_COMPONENT})*|\\[(?:[a-fA-F0-9:]+)\\])`;
const DOMAIN = `${HOST}(?::[0-9]+)?`;
const PATH_COMPONENT = '[a-z0-9]+(?:(?:[._]|__|[-]+)[a-z0-9]+)*';
const PATH = `${PATH_COMPONENT}(?:/${PATH_COMPONENT})*`;
const TAG = '[\\w][\\w.-]{0,127}';
const DIGEST = '[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*[:][0-9a-fA-F]{32,}';
const REFERENCE = new RegExp(
  `^(?:(?<domain>${DOMAIN})/)?(?<path>${PATH})(?::(?<tag>${TAG}))?(?:@(?<digest>${DIGEST}))?$`,
);
const IMAGE_ID = /^[a-f0-9]{64}$/;

/** Digests that `Validate` of go-digest accepts; sha384 is among them, which no registry serves. */
const DIGESTS = /^(?:sha256:[a-f0-9]{64}|sha384:[a-f0-9]{96}|sha512:[a-f0-9]{128})$/;

const MAX_PATH_LENGTH = 255;

/**
 * The whole grammar as one expression, as in Go: too slow for hostile input, since this engine backtracks.
 * https://github.com/distribution/reference/blob/v0.6.0/regexp.go and normalize.go. Throws a RangeError.
 */
export function parseAsGo(text: string): Omit<Reference, 'digest'> & { readonly digest: string | undefined } {
  if (IMAGE_ID.test(text)) throw new RangeError('an image ID');
  const [domain, remainder] = splitDomain(text);
  const colon = remainder.indexOf(':');
  const remote = colon < 0 ? remainder : remainder.slice(0, colon);
  if (remote.toLowerCase() !== remote) throw new RangeError('upper case');
  const groups = REFERENCE.exec(`${domain}/${remainder}`)?.groups;
  const { path = '', tag, digest } = groups ?? {};
  const isValid =
    groups !== undefined && path.length <= MAX_PATH_LENGTH && (digest === undefined || DIGESTS.test(digest));
  if (!isValid) throw new RangeError('no reference');
  return { domain: groups['domain'] ?? '', path, tag, digest };
}

function splitDomain(text: string): [domain: string, remainder: string] {
  const slash = text.indexOf('/');
  const first = text.slice(0, slash);
  const isDomain = slash >= 0 && (first === 'localhost' || /[.:]/.test(first) || first.toLowerCase() !== first);
  const domain = isDomain && first !== 'index.docker.io' ? first : 'docker.io';
  const remainder = isDomain ? text.slice(slash + 1) : text;
  return [domain, domain === 'docker.io' && !remainder.includes('/') ? `library/${remainder}` : remainder];
}
