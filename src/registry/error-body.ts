import { type DocumentResponse, formatServerWords, refuseHtml, secretsOfAuthorization } from '../http/index.ts';
import { basicAuthorization } from './authorization.ts';
import type { Credentials } from './types.ts';

function secretsOf(credentials: Credentials | undefined, authorization: string | undefined): string[] {
  const sent = authorization === undefined ? [] : secretsOfAuthorization(authorization);
  if (credentials === undefined) return sent;
  if (credentials.kind !== 'basic') return [...sent, credentials.token];
  return [...sent, ...secretsOfAuthorization(basicAuthorization(credentials))];
}

/**
 * Formats what a server said with a refusal for a message: `status 403 (CODE: text)`, with the host that refused if a
 * redirect led there. Secrets that were sent to the registry are removed.
 */
export function describeRefusal(
  { status, headers, body, redirectedTo }: DocumentResponse,
  credentials: Credentials | undefined,
  authorization?: string,
): string {
  const words = formatServerWords({ headers, excerpt: body }, secretsOf(credentials, authorization));
  const host = redirectedTo === undefined ? '' : `redirected to ${redirectedTo}: `;
  return `${host}status ${status}${words}`;
}

/** Throws `HTTP_STATUS_UNEXPECTED` if a web page was served, for a response whose bytes are not what was asked for. */
export function refuseWebPage(
  subject: string,
  { headers, body, redirectedTo }: DocumentResponse,
  credentials?: Credentials,
): void {
  const host = redirectedTo === undefined ? '' : `: redirected to ${redirectedTo}`;
  refuseHtml(`${subject}${host}`, { headers, excerpt: body }, secretsOf(credentials, undefined));
}
