import { SealiftError } from '../errors/index.ts';
import type { AuthChallenge, HttpClient } from '../http/index.ts';
import { bearerAuthorization } from './authorization.ts';
import { type Challenge, parseChallenges } from './challenge.ts';
import { type AuthMethod, isUnambiguous, selectChallenge } from './select-challenge.ts';
import { SharedCall } from './shared-call.ts';
import { fetchToken } from './token.ts';
import type { Credentials, RegistryClock } from './types.ts';

export interface AuthenticatorOptions {
  /** The origin that the credentials belong to. */
  readonly registry: URL;
  /** Path of the repository to pull from. */
  readonly path: string;
  readonly credentials: Credentials | undefined;
  readonly http: HttpClient;
  readonly maxTokenBytes: number;
  readonly clock: RegistryClock;
}

interface HeldToken {
  readonly authorization: string;
  readonly refreshAtMs: number;
}

/** A token is replaced after this share of its lifetime, so that none expires during a request. */
const REFRESH_AFTER = 0.9;

/** Adds what the server said to an error about its challenge. */
function withWords({ code, message, context, hint }: SealiftError, words = ''): SealiftError {
  return new SealiftError(code, `${message}${words}`, { context, hint });
}

function refusedCredentials({ host }: URL, credentials: Credentials | undefined): SealiftError {
  if (credentials?.kind !== 'registry-token') {
    const what = credentials === undefined ? 'a request without credentials' : 'the credentials';
    return new SealiftError('REGISTRY_AUTH_REJECTED', `${host} refused ${what}`);
  }
  return new SealiftError('REGISTRY_AUTH_REJECTED', `${host} refused the registry token`, {
    hint: 'registry tokens are short-lived and for few repositories: get a new one, or give a user and password',
  });
}

/** Answers the challenges of one registry for one repository. Concurrent requests share one token. */
export class Authenticator {
  readonly #options: AuthenticatorOptions;
  #scope: string;
  #method: AuthMethod | undefined;
  #token: HeldToken | undefined;
  #fetching = new SharedCall<HeldToken>();
  /** How many tokens were asked for. The answers may arrive in another order. */
  #asked = 0;

  constructor(options: AuthenticatorOptions) {
    this.#options = options;
    this.#scope = `repository:${options.path}:pull`;
  }

  /**
   * Takes the challenge of the ping. A registry may challenge the ping and still serve anonymous requests, so nothing is
   * refused yet.
   */
  prepare(challenge: AuthChallenge): void {
    const { credentials, registry } = this.#options;
    const challenges = parseChallenges(challenge.headers);
    const hasAnswer = credentials !== undefined && credentials.kind !== 'identity-token';
    if (
      challenges.filter(isUnambiguous).some(({ scheme }) => scheme === 'bearer' || (scheme === 'basic' && hasAnswer))
    ) {
      this.#method = selectChallenge(challenges, credentials, registry);
    }
  }

  /** Returns the Authorization header to send now, if any. */
  async authorization(signal: AbortSignal | undefined): Promise<string | undefined> {
    const method = this.#method;
    if (method === undefined) return undefined;
    if (method.kind === 'known') return method.authorization;
    if (this.#token !== undefined && this.#options.clock.now() < this.#token.refreshAtMs)
      return this.#token.authorization;
    const token = await this.#fetching.run((shared) => this.#fetch(method, shared), signal);
    return token.authorization;
  }

  /** Returns the Authorization header to send after a 401. Throws `REGISTRY_AUTH_REJECTED` when it would be the same. */
  async renew(challenge: AuthChallenge, signal: AbortSignal | undefined): Promise<string> {
    const { credentials, registry } = this.#options;
    const challenges = parseChallenges(challenge.headers);
    if (challenges.length === 0 && challenge.refusedAuthorization !== undefined) {
      return this.#replaceRefused(challenge.refusedAuthorization, challenge.words, signal);
    }
    const method = this.#select(challenges, challenge.words);
    if (method.kind === 'bearer') this.#forgetRefused(method, challenge.refusedAuthorization);
    this.#method = method;
    const renewed = await this.authorization(signal);
    if (renewed !== undefined && renewed !== challenge.refusedAuthorization) return renewed;
    throw withWords(refusedCredentials(registry, credentials), challenge.words);
  }

  /** The answer to an earlier challenge was refused. Only a token can be replaced by another one. */
  async #replaceRefused(refused: string, words: string | undefined, signal?: AbortSignal): Promise<string> {
    const replaced = await this.replaceToken(refused, signal);
    if (replaced !== undefined && replaced !== refused) return replaced;
    throw withWords(refusedCredentials(this.#options.registry, this.#options.credentials), words);
  }

  #select(challenges: readonly Challenge[], words: string | undefined): AuthMethod {
    const { credentials, registry } = this.#options;
    try {
      return selectChallenge(challenges, credentials, registry);
    } catch (error) {
      throw error instanceof SealiftError ? withWords(error, words) : error;
    }
  }

  /**
   * Returns the Authorization header with another token for one that may be dead, although the registry sent no challenge;
   * undefined if no token service gave the refused one.
   */
  async replaceToken(refused: string, signal: AbortSignal | undefined): Promise<string | undefined> {
    if (this.#method?.kind !== 'bearer') return undefined;
    this.#forgetRefused(this.#method, refused);
    return this.authorization(signal);
  }

  #forgetRefused(method: Extract<AuthMethod, { kind: 'bearer' }>, refused: string | undefined): void {
    if (method.missingScope !== undefined && !this.#scope.split(' ').includes(method.missingScope)) {
      this.#scope = method.missingScope;
      this.#fetching = new SharedCall();
      this.#token = undefined;
    }
    // Another request may have renewed the token since.
    if (refused === this.#token?.authorization) this.#token = undefined;
  }

  async #fetch(method: Extract<AuthMethod, { kind: 'bearer' }>, signal: AbortSignal): Promise<HeldToken> {
    const { http, registry, maxTokenBytes, clock } = this.#options;
    const { realm, service, credentials } = method;
    const askedAtMs = clock.now();
    this.#asked += 1;
    const position = this.#asked;
    const question = { realm, service, scope: this.#scope, credentials, allowHttp: registry.protocol === 'http:' };
    const { value, lifetimeMs } = await fetchToken(question, { http, maxBytes: maxTokenBytes, signal });
    const token = { authorization: bearerAuthorization(value), refreshAtMs: askedAtMs + lifetimeMs * REFRESH_AFTER };
    // A later question may be for another scope, and its answer may be here already.
    if (position === this.#asked) this.#token = token;
    return token;
  }
}
