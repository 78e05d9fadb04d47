import { isIP } from 'node:net';
import { raceCancellation, SealiftError } from '../errors/index.ts';
import { type DocumentResponse, formatServerWords, type HttpClient } from '../http/index.ts';
import type { BrokerResource } from '../resources/index.ts';
import { type AgentToken, fetchToken } from './fetch-token.ts';
import { openJwe } from './open-jwe.ts';
import { assertResourceSize } from './read-answer.ts';
import type { BrokerPorts, BrokerSource, SourceCall } from './types.ts';

export interface KbsSettings {
  /** `https://HOST[:PORT][/PATH]`, without a slash at the end. */
  readonly url: string;
  /** PEM texts; when there is one, no other authority is trusted. */
  readonly certificates: readonly string[];
  readonly agentSocketPath: string;
}

const UNAUTHORIZED = 401;
/** What a JWE has beside the ciphertext. */
const JWE_BYTES = 16_384;

const CHECK_SERVER =
  'check kbc.url and kbc.kbs_cert in the measured configuration, and that the key broker can be reached from the guest';

/**
 * Asks the key broker itself, with a token of the attestation agent. The token is kept for later requests, and fetched
 * again when the key broker does not take it any more.
 * https://github.com/confidential-containers/trustee/blob/main/kbs/docs/kbs_attestation_protocol.md
 */
export function createKbsSource(settings: KbsSettings, ports: BrokerPorts): BrokerSource {
  const { certificates, url, agentSocketPath } = settings;
  const { limits, pool, userAgent } = ports;
  const systemRoots = certificates.length === 0;
  const kbs: Kbs = {
    url,
    name: new URL(url).hostname,
    http: pool.httpClient({ tlsVerify: true, extraRoots: certificates, systemRoots, userAgent }),
    limits,
    tokens: new TokenKeeper(() => fetchToken(agentSocketPath, limits)),
  };
  return { isRemote: true, fetchResource: (resource, call) => fetchResource(resource, call, kbs) };
}

interface Kbs {
  readonly url: string;
  readonly name: string;
  readonly http: HttpClient;
  readonly limits: BrokerPorts['limits'];
  readonly tokens: TokenKeeper;
}

/** Has one token at a time. All that need another one wait for the same. */
class TokenKeeper {
  readonly #fetch: () => Promise<AgentToken>;
  #token: Promise<AgentToken> | undefined;

  constructor(fetch: () => Promise<AgentToken>) {
    this.#fetch = fetch;
  }

  /** Returns the token, another one if it is the refused one. A failure is not kept. */
  async current(signal: AbortSignal, refused?: AgentToken): Promise<AgentToken> {
    for (;;) {
      const asked = this.#token ?? this.#begin();
      const token = await raceCancellation(asked, signal);
      if (token !== refused) return token;
      // Another caller may have begun to fetch the next one.
      if (this.#token === asked) this.#token = undefined;
    }
  }

  #begin(): Promise<AgentToken> {
    const fetching = this.#fetch();
    this.#token = fetching;
    fetching.catch(() => {
      if (this.#token === fetching) this.#token = undefined;
    });
    return fetching;
  }
}

async function fetchResource(resource: BrokerResource, call: SourceCall, kbs: Kbs): Promise<Uint8Array> {
  const { tokens, limits } = kbs;
  const first = await tokens.current(call.signal);
  const refused = await get(resource, { ...call, token: first }, kbs);
  const isRefused = refused.status === UNAUTHORIZED;
  const token = isRefused ? await tokens.current(call.signal, first) : first;
  const response = isRefused ? await get(resource, { ...call, token }, kbs) : refused;
  const subject = `key broker ${kbs.name}: ${resource.uri}`;
  const { status, body, decodedBody = body } = response;
  if (status !== 200) throw refusalOf(response, subject, token);
  return assertResourceSize(openJwe(decodedBody, token.privateKey, subject), resource.uri, limits);
}

type TokenCall = SourceCall & { readonly token: AgentToken };

async function get(
  { plugin, path, query, uri }: BrokerResource,
  { token: { token }, signal, waitForName }: TokenCall,
  { url, name, http, limits }: Kbs,
): Promise<DocumentResponse> {
  if (isIP(name.replace(/^\[|\]$/g, '')) === 0 && name !== 'localhost') await waitForName?.(name, signal);
  const request = {
    url: `${url}/kbs/v0/${plugin}/${path}${query === undefined ? '' : `?${query}`}`,
    method: 'GET',
    headers: { accept: 'application/json', authorization: `Bearer ${token}` },
    allowHttp: false,
    // A longer wait that the server asks for is of no use.
    leftMs: limits.keyBrokerTimeoutMs,
    bound: 'maxResourceBytes',
  } as const;
  // In base64 the ciphertext is a third longer.
  const maxBytes = Math.ceil((limits.maxResourceBytes * 4) / 3) + JWE_BYTES;
  try {
    const response = await http.fetchDocument(request, maxBytes, signal);
    // Another host has no token to judge, and what it says is not the key broker's answer.
    if (response.redirected) throw unavailable(`key broker ${name}: ${uri}: expected no redirect to another host`);
    return response;
  } catch (error) {
    throw explainHttp(error, `key broker ${name}: ${uri}`, signal);
  }
}

function unavailable(message: string, context = {}): SealiftError {
  return new SealiftError('KEYBROKER_UNAVAILABLE', message, { context, hint: CHECK_SERVER });
}

/** Hints and codes of the transport are about registries. */
function explainHttp(error: unknown, subject: string, signal: AbortSignal): unknown {
  if (!(error instanceof SealiftError) || signal.aborted || !error.code.startsWith('HTTP_')) return error;
  const { context } = error;
  const message = `${subject}: ${error.message}`;
  if (error.code !== 'HTTP_RESPONSE_INVALID') return unavailable(message, context);
  return new SealiftError('KEYBROKER_ANSWER_INVALID', message, { context });
}

function refusalOf({ status, headers, body }: DocumentResponse, subject: string, { token }: AgentToken): SealiftError {
  const words = formatServerWords({ headers, excerpt: body }, [token]);
  const message = `${subject}: status ${status}${words}`;
  const context = { status };
  if (status === UNAUTHORIZED || status === 403) return new SealiftError('KEYBROKER_DENIED', message, { context });
  if (status === 404) return new SealiftError('KEYBROKER_RESOURCE_UNKNOWN', message, { context });
  return unavailable(message, context);
}
