import type { EndpointAccess } from '../endpoints/index.ts';
import { asSealiftError } from '../errors/index.ts';
import { createProxyChoice, type DocumentResponse, describePage } from '../http/index.ts';
import type { NetworkSources, RegistryAnswer } from './network-types.ts';

/** Shorter than the time-outs of a pull: a person waits in front of a terminal. */
const ASK_TIMEOUT_MS = 10_000;

type AskPorts = Pick<NetworkSources, 'urlOf' | 'openHttp' | 'maxAnswerBytes' | 'signal'>;

/**
 * Sends one request for `/v2/`, over the connection that a pull would use. Where plain HTTP is allowed it is tried after
 * HTTPS, as pulls do.
 */
export async function askRegistry(endpoint: EndpointAccess, ports: AskPorts): Promise<RegistryAnswer> {
  const secure = await askBy('https', endpoint, ports);
  if (secure.kind === 'answered' || !endpoint.allowHttp) return secure;
  const plain = await askBy('http', endpoint, ports);
  return plain.kind === 'answered' ? plain : secure;
}

async function askBy(
  scheme: 'https' | 'http',
  endpoint: EndpointAccess,
  { urlOf, openHttp, maxAnswerBytes, signal }: AskPorts,
): Promise<RegistryAnswer> {
  const { transport, allowHttp } = endpoint;
  const deadline = AbortSignal.timeout(ASK_TIMEOUT_MS);
  const url = urlOf(endpoint, scheme);
  const proxy = createProxyChoice(transport.proxy)(url)?.name;
  const headers = { accept: 'application/json' };
  const request = { url: url.href, method: 'GET', headers, allowHttp, tries: 1 } as const;
  const startedMs = performance.now();
  try {
    const response = await openHttp(transport).fetchDocument(
      request,
      maxAnswerBytes,
      AbortSignal.any([signal, deadline]),
    );
    return { ...describeAnswer(response), scheme, proxy, tookMs: Math.round(performance.now() - startedMs) };
  } catch (error) {
    signal.throwIfAborted();
    if (deadline.aborted) return { kind: 'failed', proxy, fault: 'ETIMEDOUT', ...describeSilence(request.url) };
    return { ...describeFailure(error, scheme), proxy };
  }
}

function describeAnswer({ status, headers, body, decodedBody }: DocumentResponse) {
  const theirsMs = Date.parse(headers['date']?.[0] ?? '');
  const dates = Number.isNaN(theirsMs) ? undefined : { theirsMs, oursMs: Date.now() };
  const page = describePage({ headers, excerpt: decodedBody ?? body }, []);
  return { kind: 'answered', status, page, dates } as const;
}

function describeSilence(url: string) {
  const hint = 'check the address, and that no firewall between here and there drops packets without an answer';
  return { message: `GET ${url}: no answer within ${ASK_TIMEOUT_MS} ms`, hint };
}

function describeFailure(error: unknown, scheme: 'https' | 'http') {
  const { code, message, hint, context } = asSealiftError(error);
  // An error of Sealift says nothing about the registry.
  if (code === 'INTERNAL') throw error;
  const { status, fault = '' } = context;
  // A status after which pulls try again is an answer all the same.
  if (typeof status === 'number') {
    return { kind: 'answered', scheme, status, page: undefined, tookMs: 0, dates: undefined } as const;
  }
  return { kind: 'failed', fault: String(fault), message, hint } as const;
}
