import { SealiftError } from '../errors/index.ts';
import { isJsonObject, type JsonObject, parseStrictJson } from '../oci/index.ts';
import { isBearerToken } from './authorization.ts';
import type { AuthFile, Credentials } from './types.ts';

/** The user name that docker's helpers give to an identity token. */
export const TOKEN_USERNAME = '<token>';

/** Reports what is wrong and never a value, since every value here may be a secret. */
function refuse(what: string): never {
  throw new SealiftError('AUTHFILE_INVALID', `credentials file: ${what}`);
}

function parseDocument(text: string): JsonObject {
  let document: unknown;
  try {
    document = parseStrictJson(text);
  } catch (error) {
    // The JSON reader's message may quote the document.
    if (error instanceof SealiftError) return refuse('expected one JSON object without duplicate keys');
    throw error;
  }
  return isJsonObject(document) ? document : refuse('expected a JSON object');
}

function textField(entry: JsonObject, key: string, name: string): string {
  const value = entry[name] ?? '';
  return typeof value === 'string' ? value : refuse(`entry "${key}": expected a string as ${name}`);
}

function decodePair(key: string, encoded: string): string {
  const compact = encoded.replace(/[\r\n]/g, '');
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(compact) || compact.length % 4 !== 0) {
    refuse(`entry "${key}": expected base64 of user:password as auth`);
  }
  return Buffer.from(compact, 'base64').toString('utf8');
}

/** Splits `user:password` at the first colon; undefined if there is none. */
function splitPair(pair: string): Credentials | undefined {
  const colon = pair.indexOf(':');
  if (colon < 0) return undefined;
  return toCredentials(pair.slice(0, colon), pair.slice(colon + 1));
}

function toCredentials(username: string, rawPassword: string): Credentials | undefined {
  // docker pads passwords with NUL, and files made with `echo` end with a line feed.
  const password = rawPassword.replace(/[\0\r\n]{1,64}$/, '');
  if (username === '' && password === '') return undefined;
  if (username === TOKEN_USERNAME) return { kind: 'identity-token', token: password };
  return { kind: 'basic', username, password };
}

/** True if no character in them would end a header or a user name. https://www.rfc-editor.org/rfc/rfc7617#section-2 */
export function isSendable(credentials: Credentials): boolean {
  const parts = credentials.kind === 'basic' ? [credentials.username, credentials.password] : [credentials.token];
  return !parts.some((part) => /[\u0000-\u001f\u007f]/.test(part));
}

function assertSendable(key: string, credentials: Credentials): void {
  if (!isSendable(credentials)) refuse(`entry "${key}": has control characters`);
  if (credentials.kind === 'registry-token' && !isBearerToken(credentials.token)) {
    refuse(`entry "${key}": expected a registrytoken of printable ASCII characters`);
  }
}

function parseEntry(key: string, rawEntry: unknown): Credentials | undefined {
  if (!isJsonObject(rawEntry)) return refuse(`entry "${key}": expected an object`);
  const registryToken = textField(rawEntry, key, 'registrytoken');
  const identityToken = textField(rawEntry, key, 'identitytoken');
  const encoded = textField(rawEntry, key, 'auth');
  const username = textField(rawEntry, key, 'username');
  const password = textField(rawEntry, key, 'password');
  if (registryToken !== '') return { kind: 'registry-token', token: registryToken };
  if (identityToken !== '') return { kind: 'identity-token', token: identityToken };
  return encoded === '' ? toCredentials(username, password) : splitPair(decodePair(key, encoded));
}

/** The name becomes part of a program's name, so it must not lead into a folder. */
function helperName(key: string, rawName: unknown): string {
  if (typeof rawName === 'string' && /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(rawName)) return rawName;
  return refuse(`${key}: expected the NAME of a program docker-credential-NAME`);
}

function parseHelpers(document: JsonObject): Pick<AuthFile, 'helpers' | 'store'> {
  const rawHelpers = document['credHelpers'] ?? {};
  const rawStore = document['credsStore'] ?? '';
  if (!isJsonObject(rawHelpers)) return refuse('expected an object as credHelpers');
  const named = Object.entries(rawHelpers).filter(([, name]) => name !== '');
  return {
    helpers: new Map(named.map(([host, name]) => [host, helperName(`credHelpers "${host}"`, name)])),
    store: rawStore === '' ? undefined : helperName('credsStore', rawStore),
  };
}

/**
 * Reads an `auth.json` or docker's `config.json`; throws `AUTHFILE_INVALID`. Skips entries without credentials, which
 * docker writes for registries whose credentials a helper keeps. containers-auth.json(5)
 */
export function parseAuthFile(text: string): AuthFile {
  const document = parseDocument(text);
  const auths = document['auths'] ?? {};
  if (!isJsonObject(auths)) return refuse('expected an object as auths');
  const entries = new Map<string, Credentials>();
  for (const [key, rawEntry] of Object.entries(auths)) {
    const credentials = parseEntry(key, rawEntry);
    if (credentials === undefined) continue;
    assertSendable(key, credentials);
    entries.set(key, credentials);
  }
  return { entries, ...parseHelpers(document) };
}

/** Reads `USER:PASSWORD` as given on a command line. Throws `AUTHFILE_INVALID`. */
export function parseUserPassword(text: string): Credentials {
  const credentials = splitPair(text);
  if (credentials === undefined || text.startsWith(':')) {
    throw new SealiftError('AUTHFILE_INVALID', 'given credentials: expected USER:PASSWORD');
  }
  assertSendable('given credentials', credentials);
  return credentials;
}
