import type { Credentials } from './types.ts';

/** https://www.rfc-editor.org/rfc/rfc7617#section-2 */
export function basicAuthorization(credentials: Extract<Credentials, { kind: 'basic' }>): string {
  return `Basic ${Buffer.from(`${credentials.username}:${credentials.password}`).toString('base64')}`;
}
