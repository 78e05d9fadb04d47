import { SealiftError } from '../errors/index.ts';
import { type Digest, isDigest } from './digest.ts';

/** A fully expanded image name: what the user wrote, with the defaults of Docker Hub filled in. */
export interface Reference {
  /** Registry host as written, port included; `docker.io` for Docker Hub. */
  readonly domain: string;
  readonly path: string;
  readonly tag: string | undefined;
  readonly digest: Digest | undefined;
}

const DEFAULT_DOMAIN = 'docker.io';
const LEGACY_DOMAIN = 'index.docker.io';
const MAX_NAME_LENGTH = 255;
/** Fits the longest name, tag and sha512 digest with separators and defaults. Bounds the work of parsing. */
const MAX_REFERENCE_LENGTH = 1024;

// https://github.com/distribution/reference/blob/v0.6.0/regexp.go, split so that each pattern matches one bounded
// component, which takes a backtracking engine linear time.
const DOMAIN_LABEL = /^[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?$/;
const IPV6_LITERAL = /^\[[a-fA-F0-9:]+\]$/;
const PORT = /^[0-9]+$/;
const PATH_COMPONENT = /^[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*$/;
const TAG = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;
const IMAGE_ID = /^[a-f0-9]{64}$/;
const SCHEME = /^[a-z][a-z0-9+.-]*:\/\//i;
const BEFORE_PATH = /^[a-z][a-z0-9_-]*:(?=[./~])/i;

function refuse(text: string, what: string, hint?: string): never {
  const message = `reference "${text.slice(0, MAX_REFERENCE_LENGTH)}": ${what}`;
  throw new SealiftError('REFERENCE_INVALID', message, hint === undefined ? {} : { hint });
}

/** True for `host[:port]` in the grammar of references; `host` may be an IPv6 address in brackets. */
export function isReferenceDomain(text: string): boolean {
  const hostEnd = text.startsWith('[') ? text.indexOf(']') + 1 : text.indexOf(':');
  const host = hostEnd > 0 ? text.slice(0, hostEnd) : text;
  const rest = text.slice(host.length);
  if (rest !== '' && !(rest.startsWith(':') && PORT.test(rest.slice(1)))) return false;
  return IPV6_LITERAL.test(host) || host.split('.').every((label) => DOMAIN_LABEL.test(label));
}

/** Docker's rule: the first component is a host only if it cannot be a name on Docker Hub. */
function looksLikeDomain(component: string): boolean {
  return component === 'localhost' || /[.:]/.test(component) || component.toLowerCase() !== component;
}

/** True if a reference names no host: `busybox`, `library/busybox:1`. */
export function isShortName(text: string): boolean {
  const slash = text.indexOf('/');
  return slash < 0 || !looksLikeDomain(text.slice(0, slash));
}

function splitDomain(text: string): { domain: string; remainder: string } {
  const slash = text.indexOf('/');
  const first = text.slice(0, Math.max(slash, 0));
  const explicit = slash >= 0 && looksLikeDomain(first);
  const domain = explicit && first !== LEGACY_DOMAIN ? first : DEFAULT_DOMAIN;
  const remainder = explicit ? text.slice(slash + 1) : text;
  const official = domain === DEFAULT_DOMAIN && !remainder.includes('/');
  return { domain, remainder: official ? `library/${remainder}` : remainder };
}

/** Splits `path[:tag][@digest]`. A path has neither colon nor at sign, so the first of each is the separator. */
function splitRemainder(remainder: string): { path: string; tag: string | undefined; digest: string | undefined } {
  const at = remainder.indexOf('@');
  const named = at < 0 ? remainder : remainder.slice(0, at);
  const colon = named.indexOf(':');
  return {
    path: colon < 0 ? named : named.slice(0, colon),
    tag: colon < 0 ? undefined : named.slice(colon + 1),
    digest: at < 0 ? undefined : remainder.slice(at + 1),
  };
}

function checkPath(text: string, path: string): void {
  if (path.toLowerCase() !== path) refuse(text, 'repository name must be lower case');
  const wrong = path.split('/').find((component) => !PATH_COMPONENT.test(component));
  if (wrong !== undefined) {
    refuse(text, `path component "${wrong}": expected letters and digits with single separators in between`);
  }
}

/**
 * Parses a reference as `ParseNormalizedNamed` of containers/image does. A default tag is not added.
 * https://github.com/distribution/reference/blob/v0.6.0/normalize.go — throws `REFERENCE_INVALID`.
 */
export function parseReference(text: string): Reference {
  if (text === '') refuse(text, 'expected a name, got nothing');
  if (text.length > MAX_REFERENCE_LENGTH) refuse(text, `expected at most ${MAX_REFERENCE_LENGTH} characters`);
  const scheme = SCHEME.exec(text)?.[0];
  if (scheme !== undefined) refuse(text, 'expected a name, got a URL', `leave out the leading ${scheme}`);
  const transport = BEFORE_PATH.exec(text)?.[0];
  if (transport !== undefined) refuse(text, `expected a name in a registry, got a path after "${transport}"`);
  if (IMAGE_ID.test(text)) refuse(text, 'expected a name, got 64 hex digits, which look like an image ID');

  const { domain, remainder } = splitDomain(text);
  const { path, tag, digest } = splitRemainder(remainder);
  if (!isReferenceDomain(domain)) refuse(text, `host "${domain}": expected a domain name or address and a port`);
  checkPath(text, path);
  const nameLength = domain.length + 1 + path.length;
  if (nameLength > MAX_NAME_LENGTH) refuse(text, `expected a name of at most 255 characters, got ${nameLength}`);
  if (tag !== undefined && !TAG.test(tag)) {
    refuse(text, `tag "${tag}": expected up to 128 letters, digits, "_", "." and "-"`);
  }
  if (digest === undefined || isDigest(digest)) return { domain, path, tag, digest };
  return refuse(text, `digest "${digest}": expected sha256 or sha512, a colon and lower-case hex`);
}

/** Returns `domain/path`, the name under which policies and credentials are looked up. */
export function formatRepositoryName(reference: Reference): string {
  return `${reference.domain}/${reference.path}`;
}

/** Inverse of {@link parseReference}, fully expanded. */
export function formatReference(reference: Reference): string {
  const tag = reference.tag === undefined ? '' : `:${reference.tag}`;
  const digest = reference.digest === undefined ? '' : `@${reference.digest}`;
  return `${formatRepositoryName(reference)}${tag}${digest}`;
}

/** Adds the implied tag `latest` to a reference with neither tag nor digest. */
export function withDefaultTag(reference: Reference): Reference {
  return reference.tag === undefined && reference.digest === undefined ? { ...reference, tag: 'latest' } : reference;
}
