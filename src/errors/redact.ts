const MAX_TEXT_LENGTH = 2048;

const REDACTED = 'REDACTED';

/** A shorter secret occurs in ordinary words. Replacing it there would hide the message and reveal the secret. */
const MIN_REPLACED_LENGTH = 4;

/**
 * Returns a text from outside without these secrets, which it may quote. A text in which a secret of less than four
 * characters occurs is hidden as a whole.
 */
export function removeSecrets(text: string, secrets: readonly string[]): string {
  const present = secrets.filter((secret) => secret !== '' && text.includes(secret));
  if (present.some(({ length }) => length < MIN_REPLACED_LENGTH)) return REDACTED;
  // A secret may be the beginning of another one.
  const longestFirst = present.toSorted((first, second) => second.length - first.length);
  return longestFirst.reduce((rest, secret) => rest.replaceAll(secret, REDACTED), text);
}

/**
 * Query parameters whose values are not secret. All others are replaced, since presigned URLs carry signatures. Their
 * names are replaced too, since a query may be a single token that ends with a padding of `=`.
 */
const OPEN_QUERY_PARAMETERS = new Set(['scope', 'service', 'ns', 'n', 'last', 'digest']);

/** Allowed values of an open parameter; a separator inside a value could begin another parameter. */
const OPEN_VALUE = /^[\w:/.,%+*~-]*$/;

/**
 * The text after the at sign of a pinned reference, or of the folder of an image in a lookaside store. After the at sign
 * of a userinfo comes a host.
 */
const DIGEST_START = /^(?:(?:sha[0-9]{1,3}|md5):|(?:sha256=[0-9a-f]{64}|sha512=[0-9a-f]{128})(?:\/|$))/i;

/**
 * The text after the at sign in the name of a workflow, and the host and path in front of it:
 * `https://github.com/acme/app/.github/workflows/release.yml@refs/tags/v1`.
 */
const GIT_REFERENCE_START = /^refs\/(?:heads|tags|pull)\//;
const HOST_AND_PATH = /^[a-z0-9.-]+(?::[0-9]{1,5})?\//i;

/** The longest text that {@link DIGEST_START} looks at. */
const DIGEST_LENGTH = 'sha512='.length + 128 + 1;

/** A user name with its colon. Text with a slash before the colon is a path. */
const USER_START = /^[^/:@]+:/;

function redactQuery(query: string): string {
  return query
    .split('&')
    .map((pair) => {
      const [name = ''] = pair.split('=', 1);
      const isOpen = OPEN_QUERY_PARAMETERS.has(name) && OPEN_VALUE.test(pair.slice(name.length + 1));
      return isOpen || pair === '' ? pair : REDACTED;
    })
    .join('&');
}

/** Returns the end of the userinfo, which may have a password with unescaped delimiters; 0 if there is no userinfo. */
function endOfUserinfo(text: string): number {
  const isPath = HOST_AND_PATH.test(text);
  let at = text.lastIndexOf('@');
  while (at >= 0 && isPartOfName(text.slice(at + 1, at + 1 + DIGEST_LENGTH), isPath)) {
    at = at === 0 ? -1 : text.lastIndexOf('@', at - 1);
  }
  return at + 1;
}

function isPartOfName(behind: string, isPath: boolean): boolean {
  return DIGEST_START.test(behind) || (isPath && GIT_REFERENCE_START.test(behind));
}

/** Removes userinfo, fragment and query parameters that are not known to be harmless. */
function redactUrl(scheme: string, rest: string): string {
  const pathEnd = rest.search(/[?#]/);
  if (pathEnd < 0) return scheme + rest.slice(endOfUserinfo(rest));
  const path = rest.slice(0, pathEnd);
  // An unescaped ? or # may stand in the middle of a password.
  const [authority = ''] = path.split('/', 1);
  if (authority.includes(':') && rest.includes('@', pathEnd)) return `${scheme}${REDACTED}`;
  const query = rest.charAt(pathEnd) === '?' ? (rest.slice(pathEnd + 1).split('#', 1)[0] ?? '') : '';
  return scheme + path.slice(endOfUserinfo(path)) + (query === '' ? '' : `?${redactQuery(query)}`);
}

/** Redacts one word of a text: a URL, or a reference with `user:password@` in front of it. */
function redactWord(word: string): string {
  // The bounded scheme keeps this linear.
  const [scheme] = /[a-z][a-z0-9+.-]{0,31}:\/\//i.exec(word) ?? [];
  if (scheme !== undefined) {
    const start = word.indexOf(scheme);
    return word.slice(0, start) + redactUrl(scheme, word.slice(start + scheme.length));
  }
  const end = endOfUserinfo(word);
  if (end === 0 || !USER_START.test(word)) return word;
  return (/^["'(]/.exec(word)?.[0] ?? '') + word.slice(end);
}

/**
 * Makes text from outside safe for an error or a log line, in linear time. Userinfo and secret query values of URLs and
 * credentials in the form of a header are removed, control characters become spaces, and the length is bounded.
 */
export function redact(text: string): string {
  const clean = text
    .replace(/\S+/g, redactWord)
    .replace(/\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{6,}/gi, '$1 REDACTED')
    .replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, ' ');
  return clean.length > MAX_TEXT_LENGTH ? `${clean.slice(0, MAX_TEXT_LENGTH)}…` : clean;
}
