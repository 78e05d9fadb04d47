import type { Credentials } from './types.ts';

/** What can stand in a header without ending it. https://www.rfc-editor.org/rfc/rfc6750#section-2.1 */
export function isBearerToken(text: string): boolean {
  return /^[\x21-\x7e]+$/.test(text);
}

export function bearerAuthorization(token: string): string {
  return `Bearer ${token}`;
}

/** https://www.rfc-editor.org/rfc/rfc7617#section-2 */
export function basicAuthorization(credentials: Extract<Credentials, { kind: 'basic' }>): string {
  return `Basic ${Buffer.from(`${credentials.username}:${credentials.password}`).toString('base64')}`;
}
