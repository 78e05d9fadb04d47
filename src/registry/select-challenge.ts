import { SealiftError } from '../errors/index.ts';
import { basicAuthorization, bearerAuthorization } from './authorization.ts';
import type { Challenge } from './challenge.ts';
import { parseRealm } from './realm.ts';
import type { TradableCredentials } from './token.ts';
import type { Credentials } from './types.ts';

export type AuthMethod =
  /** The header is known without asking a token service. */
  | { readonly kind: 'known'; readonly authorization: string }
  | {
      readonly kind: 'bearer';
      readonly realm: URL;
      readonly service: string | undefined;
      /** The scope that the registry asks for, if it says that the token's scope was insufficient. */
      readonly missingScope: string | undefined;
      readonly credentials: TradableCredentials | undefined;
    };

/** RFC 6749 §3.3, and a length that fits into a URL. */
const SCOPE = /^[\x21\x23-\x5b\x5d-\x7e]+(?: [\x21\x23-\x5b\x5d-\x7e]+)*$/;
const MAX_SCOPE_LENGTH = 1024;

function missingScope(parameters: ReadonlyMap<string, string>, registry: URL): string | undefined {
  const scope = parameters.get('scope');
  if (parameters.get('error') !== 'insufficient_scope' || scope === undefined) return undefined;
  if (scope.length <= MAX_SCOPE_LENGTH && SCOPE.test(scope)) return scope;
  throw new SealiftError(
    'REGISTRY_AUTH_UNSUPPORTED',
    `challenge of ${registry.host}: the scope is malformed or too long`,
  );
}

/** False for a challenge that two readers may read differently. */
export function isUnambiguous({ repeated }: Challenge): boolean {
  return repeated === undefined;
}

/**
 * Selects the first challenge that can be answered, in the order of the registry: Basic needs a password, and a Bearer
 * token can be requested anonymously. A registry token answers either, as in other clients, since only its user knows
 * which of them the registry accepts. Throws `REGISTRY_AUTH_REJECTED` when only credentials are missing, else `REGISTRY_AUTH_UNSUPPORTED`.
 */
export function selectChallenge(
  challenges: readonly Challenge[],
  credentials: Credentials | undefined,
  registry: URL,
): AuthMethod {
  for (const { scheme, parameters } of challenges.filter(isUnambiguous)) {
    if (credentials?.kind === 'registry-token') {
      if (scheme !== 'bearer' && scheme !== 'basic') continue;
      return { kind: 'known', authorization: bearerAuthorization(credentials.token) };
    }
    if (scheme === 'basic' && credentials?.kind === 'basic') {
      return { kind: 'known', authorization: basicAuthorization(credentials) };
    }
    const rawRealm = parameters.get('realm');
    if (scheme !== 'bearer' || rawRealm === undefined) continue;
    const realm = parseRealm(rawRealm, registry);
    return {
      kind: 'bearer',
      realm,
      service: parameters.get('service'),
      missingScope: missingScope(parameters, registry),
      credentials,
    };
  }
  const repeating = challenges.find((challenge) => !isUnambiguous(challenge));
  if (repeating !== undefined) {
    const name = (repeating.repeated ?? '').slice(0, 64);
    const scheme = repeating.scheme.slice(0, 64);
    throw new SealiftError(
      'REGISTRY_AUTH_UNSUPPORTED',
      `authentication at ${registry.host}: expected each parameter once, got "${name}" twice in the challenge "${scheme}"`,
      { hint: 'the registry must send each parameter of its WWW-Authenticate header once' },
    );
  }
  const schemes = challenges.map(({ scheme }) => scheme);
  if (schemes.includes('basic')) {
    const got = credentials === undefined ? 'got none' : 'got an identity token';
    throw new SealiftError(
      'REGISTRY_AUTH_REJECTED',
      `authentication at ${registry.host}: expected a user name and password, ${got}`,
    );
  }
  const offered = schemes.join(', ').slice(0, 128) || 'nothing';
  throw new SealiftError(
    'REGISTRY_AUTH_UNSUPPORTED',
    `authentication at ${registry.host}: expected Basic or Bearer, got ${offered}`,
  );
}
