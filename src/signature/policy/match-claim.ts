const URI_PATTERN = /@refs\/(?:tags|heads)\/[^*]*\*$/;
const REF_PATTERN = /^refs\/(?:tags|heads)\/[^*]*\*$/;

/** True if the one `*` of a text is at its end, behind `@refs/tags/` or `@refs/heads/`: `…/release.yml@refs/tags/*`. */
export function isUriPattern(text: string): boolean {
  return text.indexOf('*') === text.length - 1 && URI_PATTERN.test(text);
}

/** The same for a reference of Git without anything before it: `refs/tags/*`. */
export function isRefPattern(text: string): boolean {
  return text.indexOf('*') === text.length - 1 && REF_PATTERN.test(text);
}

/** True if a text is what was expected: the same, or for a pattern one that begins with what is before the `*`. */
export function matchClaim(expected: string, actual: string): boolean {
  const isPattern = isUriPattern(expected) || isRefPattern(expected);
  return isPattern ? actual.startsWith(expected.slice(0, -1)) : actual === expected;
}
