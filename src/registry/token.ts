import { SealiftError } from '../errors/index.ts';
import type { DocumentResponse, HttpClient, HttpRequest } from '../http/index.ts';
import { isJsonObject, type JsonObject, parseStrictJson } from '../oci/index.ts';
import { basicAuthorization, isBearerToken } from './authorization.ts';
import { describeRefusal, refuseWebPage, type SentSecrets } from './error-body.ts';
import type { Credentials } from './types.ts';

/** Credentials that may be sent to a token service. */
export type TradableCredentials = Exclude<Credentials, { kind: 'registry-token' }>;

export interface TokenQuestion {
  readonly realm: URL;
  readonly service: string | undefined;
  readonly scope: string;
  readonly credentials: TradableCredentials | undefined;
  readonly allowHttp: boolean;
}

export interface Token {
  readonly value: string;
  readonly lifetimeMs: number;
}

/** A token lives at least that long, for older clients. https://distribution.github.io/distribution/spec/auth/token/ */
const MIN_LIFETIME_SECONDS = 60;
const MAX_LIFETIME_SECONDS = 24 * 3600;
const CLIENT_ID = 'sealift';

/** https://distribution.github.io/distribution/spec/auth/oauth/ */
function refreshRequest(question: TokenQuestion, refreshToken: string): HttpRequest {
  const form = new URLSearchParams({ grant_type: 'refresh_token', client_id: CLIENT_ID, scope: question.scope });
  if (question.service !== undefined) form.set('service', question.service);
  form.set('refresh_token', refreshToken);
  return {
    url: question.realm.href,
    method: 'POST',
    headers: { accept: 'application/json', 'content-type': 'application/x-www-form-urlencoded' },
    body: form.toString(),
    allowHttp: question.allowHttp,
  };
}

function tokenRequest(question: TokenQuestion): HttpRequest {
  const { credentials, realm, service, scope, allowHttp } = question;
  if (credentials?.kind === 'identity-token') return refreshRequest(question, credentials.token);
  const url = new URL(realm);
  if (service !== undefined) url.searchParams.set('service', service);
  url.searchParams.set('scope', scope);
  if (credentials !== undefined) url.searchParams.set('account', credentials.username);
  const authorization = credentials === undefined ? {} : { authorization: basicAuthorization(credentials) };
  return { url: url.href, method: 'GET', headers: { accept: 'application/json', ...authorization }, allowHttp };
}

function parseBody(subject: string, body: Uint8Array): JsonObject {
  try {
    const answer = parseStrictJson(Buffer.from(body).toString('utf8'));
    if (isJsonObject(answer)) return answer;
  } catch (error) {
    // The JSON reader's message may quote the token.
    if (!(error instanceof SealiftError)) throw error;
  }
  throw new SealiftError('HTTP_RESPONSE_INVALID', `${subject}: expected a JSON object with a token`);
}

function parseToken(subject: string, body: Uint8Array): Token {
  const answer = parseBody(subject, body);
  const value = [answer['token'], answer['access_token']].find((field) => typeof field === 'string' && field !== '');
  // Checked before it becomes a header, where a line feed would begin another one.
  if (typeof value !== 'string' || !isBearerToken(value)) {
    throw new SealiftError('HTTP_RESPONSE_INVALID', `${subject}: expected a token of printable ASCII characters`);
  }
  const expiresIn = answer['expires_in'];
  const seconds = typeof expiresIn === 'number' && Number.isFinite(expiresIn) ? expiresIn : MIN_LIFETIME_SECONDS;
  const bounded = Math.min(Math.max(seconds, MIN_LIFETIME_SECONDS), MAX_LIFETIME_SECONDS);
  return { value, lifetimeMs: bounded * 1000 };
}

function assertGranted(subject: string, response: DocumentResponse, sent: SentSecrets): void {
  const { status } = response;
  if (status === 200) return;
  const refusal = describeRefusal(response, sent);
  const suffix = sent.credentials === undefined ? ' without credentials' : '';
  if (status === 400 || status === 401 || status === 403) {
    throw new SealiftError('REGISTRY_AUTH_REJECTED', `${subject}${suffix}: ${refusal}`, { context: { status } });
  }
  throw new SealiftError('HTTP_STATUS_UNEXPECTED', `${subject}: ${refusal}`, { context: { status } });
}

interface TokenFetch {
  readonly http: HttpClient;
  readonly maxBytes: number;
  readonly signal: AbortSignal | undefined;
}

/** Asks the token service for a token. Throws `REGISTRY_AUTH_REJECTED`, `HTTP_RESPONSE_INVALID`, `HTTP_*`. */
export async function fetchToken(question: TokenQuestion, { http, maxBytes, signal }: TokenFetch): Promise<Token> {
  const subject = `token from ${question.realm.host}`;
  const response = await http.fetchDocument({ ...tokenRequest(question), bound: 'maxTokenBytes' }, maxBytes, signal);
  const sent = { credentials: question.credentials, authorizations: [] };
  assertGranted(subject, response, sent);
  refuseWebPage(subject, response, sent);
  return parseToken(subject, response.decodedBody ?? response.body);
}
