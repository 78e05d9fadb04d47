import { removeSecrets, SealiftError } from '../errors/index.ts';
import { isJsonObject, type JsonObject, parseStrictJson } from '../oci/index.ts';
import { isSendable, TOKEN_USERNAME } from './auth-file.ts';
import type { CredentialHelper, Credentials, HelperEnd, RunHelper } from './types.ts';

/** https://github.com/docker/docker-credential-helpers/blob/v0.9.3/credentials/error.go */
const NOT_FOUND = 'credentials not found in native keychain';
const MAX_SHOWN = 300;

function failed({ name, server }: CredentialHelper, actual: string, words = ''): SealiftError {
  const said = words === '' ? '' : `: ${words}`;
  return new SealiftError(
    'AUTHFILE_HELPER_FAILED',
    `docker-credential-${name}: expected credentials of ${server}, got ${actual}${said}`,
    { context: { helper: name, server } },
  );
}

function late(helper: CredentialHelper): SealiftError {
  const { code, message, context } = failed(helper, 'no answer in time');
  return new SealiftError(code, message, { context: { ...context, limit: 'credentialHelperTimeoutMs' } });
}

/** Returns the end of the helper's output for a message; empty if the output may contain the secret. */
function wordsOf(stdout: string, stderr: string): string {
  const said = stderr.trim() === '' ? stdout : stderr;
  const secrets = [...stdout.matchAll(/"Secret"\s*:\s*"((?:[^"\\]|\\.)+)/g)].map(([, secret = '']) => secret);
  const isDocument = said === stdout && stdout.includes('{');
  if (isDocument) return '';
  return removeSecrets(said, secrets)
    .replace(/[\s\u0000-\u001f\u007f]+/g, ' ')
    .trim()
    .slice(-MAX_SHOWN);
}

function parseAnswer(helper: CredentialHelper, stdout: string): JsonObject {
  try {
    const document = parseStrictJson(stdout);
    if (isJsonObject(document)) return document;
  } catch (error) {
    // The JSON reader's message may quote the secret.
    if (!(error instanceof SealiftError)) throw error;
  }
  throw failed(helper, 'no JSON object');
}

function toCredentials(username: string, secret: string): Credentials {
  if (username === TOKEN_USERNAME) return { kind: 'identity-token', token: secret };
  return { kind: 'basic', username, password: secret };
}

function readAnswer(helper: CredentialHelper, stdout: string): Credentials | undefined {
  const { Username: username, Secret: secret } = parseAnswer(helper, stdout);
  if (typeof username !== 'string' || typeof secret !== 'string') {
    throw failed(helper, 'an answer without Username and Secret');
  }
  if (username === '' && secret === '') return undefined;
  const credentials = toCredentials(username, secret);
  if (!isSendable(credentials)) throw failed(helper, 'control characters');
  return credentials;
}

function readEnd(helper: CredentialHelper, end: HelperEnd): Credentials | undefined {
  if (end.kind === 'missing') throw failed(helper, 'no such program in PATH');
  if (end.kind === 'timedOut') throw late(helper);
  if (end.kind === 'killed') throw failed(helper, end.signal);
  const { code, stdout, stderr } = end;
  if (code === 0) return readAnswer(helper, stdout);
  if (stdout.trim() === NOT_FOUND) return undefined;
  throw failed(helper, `exit code ${code}`, wordsOf(stdout, stderr));
}

/**
 * Asks a helper for credentials; undefined if it says that it has none. Throws `AUTHFILE_HELPER_FAILED`.
 * https://github.com/docker/docker-credential-helpers#development
 */
export async function askHelper(run: RunHelper, helper: CredentialHelper): Promise<Credentials | undefined> {
  return readEnd(helper, await run(`docker-credential-${helper.name}`, Buffer.from(helper.server)));
}
