import { createPrivateKey, type KeyObject } from 'node:crypto';
import { callProgram } from './call-program.ts';
import { getTokenRequest, getTokenResponse } from './messages.ts';
import { answerInvalid, parseSecretJson, readingAnswer } from './read-answer.ts';
import type { BrokerLimits } from './types.ts';

/** A token of the attestation agent and the key that answers to it are encrypted for. Both are secrets. */
export interface AgentToken {
  readonly token: string;
  readonly privateKey: KeyObject;
}

const PROGRAM = 'attestation agent';
const SUBJECT = `${PROGRAM}: token for the key broker`;

/** It is sent in a header. https://www.rfc-editor.org/rfc/rfc6750#section-2.1 */
const BEARER = /^[A-Za-z0-9._~+/-]+=*$/;

/** One block and nothing else: PKCS#8, or the older forms of RSA and elliptic curves. */
const PEM = /^-----BEGIN ((?:RSA |EC )?PRIVATE KEY)-----\r?\n[A-Za-z0-9+/=\r\n]+-----END \1-----\s*$/;

const MIN_RSA_BITS = 2048;
const CURVES: ReadonlySet<string | undefined> = new Set(['prime256v1', 'secp384r1', 'secp521r1']);

/**
 * Asks the attestation agent, which attests the guest to the key broker. All that wait for a token share the call, so only
 * its deadline ends it. Throws `KEYBROKER_*`.
 */
export async function fetchToken(socketPath: string, limits: BrokerLimits): Promise<AgentToken> {
  const call = {
    program: PROGRAM,
    socketPath,
    service: 'attestation_agent.AttestationAgentService',
    method: 'GetToken',
    payload: getTokenRequest.encode({ tokenType: 'kbs' }),
    subject: 'token for the key broker',
  };
  const answer = await callProgram(call, limits);
  const { token: rawToken } = readingAnswer(SUBJECT, () => getTokenResponse.decode(answer));
  return parseAgentToken(rawToken, limits);
}

/**
 * Parses `{"token": "<JWT>", "tee_keypair": "<PEM>"}`.
 * https://github.com/confidential-containers/guest-components/blob/main/attestation-agent/attestation-agent/src/token/kbs.rs
 */
export function parseAgentToken(raw: Uint8Array, { maxTokenBytes }: Pick<BrokerLimits, 'maxTokenBytes'>): AgentToken {
  if (raw.byteLength > maxTokenBytes) throw answerInvalid(SUBJECT, `expected at most ${maxTokenBytes} bytes, got more`);
  const { token, tee_keypair: pem } = parseSecretJson(raw, SUBJECT);
  if (typeof token !== 'string' || !BEARER.test(token)) throw answerInvalid(SUBJECT, 'expected a token as text');
  if (typeof pem !== 'string' || !PEM.test(pem)) throw answerInvalid(SUBJECT, 'expected a private key in PEM');
  const privateKey = readingAnswer(SUBJECT, () => createPrivateKey(pem));
  if (!isUsable(privateKey)) {
    throw answerInvalid(SUBJECT, `expected a key of P-256, P-384 or P-521, or RSA of at least ${MIN_RSA_BITS} bits`);
  }
  return { token, privateKey };
}

function isUsable({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): boolean {
  if (asymmetricKeyType === 'rsa') return (asymmetricKeyDetails?.modulusLength ?? 0) >= MIN_RSA_BITS;
  return asymmetricKeyType === 'ec' && CURVES.has(asymmetricKeyDetails?.namedCurve);
}
