const MAX_TEXT_LENGTH = 2048;

/** Query parameters that say nothing secret; every other value is replaced, since presigned URLs carry signatures. */
const OPEN_QUERY_PARAMETERS = new Set(['scope', 'service', 'ns', 'n', 'last', 'digest']);

function redactQuery(query: string): string {
  return query
    .split('&')
    .map((pair) => {
      const [name = ''] = pair.split('=', 1);
      return OPEN_QUERY_PARAMETERS.has(name) || pair === name ? pair : `${name}=REDACTED`;
    })
    .join('&');
}

/** Removes userinfo and the values of query parameters that are not known to be harmless. */
export function redactUrl(url: string): string {
  return url
    .replace(/^([a-z][a-z0-9+.-]*:\/\/)[^/?#\s]*@/i, '$1')
    .replace(/\?([^#\s]*)/, (_, query: string) => `?${redactQuery(query)}`);
}

/**
 * Makes text from outside fit for an error or a log line: URLs lose userinfo and secret query values, credentials in
 * header form go, control characters become spaces, and the length is bounded.
 */
export function redact(text: string): string {
  const clean = text
    .replace(/\b[a-z][a-z0-9+.-]*:\/\/[^\s"'<>]+/gi, redactUrl)
    .replace(/\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{6,}/gi, '$1 REDACTED')
    .replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, ' ');
  return clean.length > MAX_TEXT_LENGTH ? `${clean.slice(0, MAX_TEXT_LENGTH)}…` : clean;
}
