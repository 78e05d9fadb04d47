import { removeSecrets, SealiftError } from '../errors/index.ts';
import { isJsonObject, parseStrictJson } from '../oci/index.ts';
import { basicAuthorization } from './authorization.ts';
import type { Credentials } from './types.ts';

const MAX_ERRORS = 3;
const MAX_FIELD_LENGTH = 200;

function parseErrors(rawBody: Uint8Array): unknown[] {
  try {
    const document = parseStrictJson(Buffer.from(rawBody).toString('utf8'));
    const errors = isJsonObject(document) ? document['errors'] : undefined;
    return Array.isArray(errors) ? errors : [];
  } catch (error) {
    // Error bodies are optional and often HTML; the status says enough then.
    if (error instanceof SealiftError) return [];
    throw error;
  }
}

function secretsOf(credentials: Credentials | undefined, authorization: string | undefined): string[] {
  const sent = authorization === undefined ? [] : [authorization, authorization.replace(/^\S+ /, '')];
  if (credentials === undefined) return sent;
  if (credentials.kind !== 'basic') return [...sent, credentials.token];
  const pair = basicAuthorization(credentials);
  return [...sent, pair, pair.replace(/^\S+ /, ''), credentials.password];
}

function describeError(rawError: unknown): string[] {
  if (!isJsonObject(rawError)) return [];
  const fields = [rawError['code'], rawError['message']];
  return [fields.filter((field): field is string => typeof field === 'string' && field !== '').join(': ')];
}

/**
 * Formats the registry's own error for the end of a message: ` (CODE: text)`, or nothing. The text is
 * attacker-controlled, and secrets that were sent to the registry are removed from it.
 * https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#error-codes
 */
export function describeErrorBody(
  rawBody: Uint8Array,
  credentials: Credentials | undefined,
  authorization?: string,
): string {
  const secrets = secretsOf(credentials, authorization);
  const texts = parseErrors(rawBody).slice(0, MAX_ERRORS).flatMap(describeError);
  const clean = texts
    .map((text) => removeSecrets(text, secrets))
    .map((text) => text.slice(0, MAX_FIELD_LENGTH))
    .filter((text) => text !== '');
  return clean.length === 0 ? '' : ` (${clean.join('; ')})`;
}
