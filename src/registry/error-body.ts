import { type DocumentResponse, formatServerWords, refuseHtml, secretsOfAuthorization } from '../http/index.ts';
import { basicAuthorization } from './authorization.ts';
import type { Credentials } from './types.ts';

/** What was sent to a server, which may quote it in its own words. */
export interface SentSecrets {
  readonly credentials: Credentials | undefined;
  readonly authorizations: readonly (string | undefined)[];
}

function secretsOf({ credentials, authorizations }: SentSecrets): string[] {
  const sent = authorizations.filter((each) => each !== undefined).flatMap(secretsOfAuthorization);
  if (credentials === undefined) return sent;
  if (credentials.kind !== 'basic') return [...sent, credentials.token];
  return [...sent, ...secretsOfAuthorization(basicAuthorization(credentials))];
}

/** Formats the server's own words for the end of a message: ` (CODE: text)`, or nothing. What was sent is removed. */
export function describeWords({ headers, body }: DocumentResponse, sent: SentSecrets): string {
  return formatServerWords({ headers, excerpt: body }, secretsOf(sent));
}

/**
 * Formats what a server said with a refusal for a message: `status 403 (CODE: text)`, with the host that refused if a
 * redirect led there. What was sent is removed.
 */
export function describeRefusal(response: DocumentResponse, sent: SentSecrets): string {
  const { status, redirectedTo } = response;
  const words = describeWords(response, sent);
  const host = redirectedTo === undefined ? '' : `redirected to ${redirectedTo}: `;
  return `${host}status ${status}${words}`;
}

/** Throws `HTTP_STATUS_UNEXPECTED` if a web page was served, for a response whose bytes are not what was asked for. */
export function refuseWebPage(
  subject: string,
  { headers, body, redirectedTo }: DocumentResponse,
  sent: SentSecrets,
): void {
  const host = redirectedTo === undefined ? '' : `: redirected to ${redirectedTo}`;
  refuseHtml(`${subject}${host}`, { headers, excerpt: body }, secretsOf(sent));
}
