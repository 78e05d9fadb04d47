import { DEFAULT_LIMITS } from '../limits/index.ts';
import { callOnce, payloadOf } from '../ttrpc/index.ts';
import { identifyServer } from './identify-server.ts';
import { defineApiMessages } from './messages.ts';
import { readFailure } from './read-failure.ts';
import type { RequestedPull } from './types.ts';

const NANOS_PER_MS = 1_000_000n;
const { pullImageRequest, pullImageResponse } = defineApiMessages(DEFAULT_LIMITS);

/** A daemon that has just answered answers again at once, unless its machine is very busy. */
const IDENTIFY_TIMEOUT_MS = 10_000;

/**
 * Asks the server of a socket to pull an image, as the kata agent does. Throws the error of the pull if a daemon of ours
 * serves the socket, else `TTRPC_CALL_FAILED` with the server's words; `TTRPC_CLOSED`, `TTRPC_DEADLINE_EXCEEDED`, or
 * the signal's reason.
 */
export async function requestPull(options: RequestedPull): Promise<{ readonly manifestDigest: string }> {
  const { socketPath, imageUrl, bundlePath, timeoutMs, signal } = options;
  const call = {
    service: 'api.ImagePullService',
    method: 'PullImage',
    payload: pullImageRequest.encode({ imageUrl, bundlePath }),
    timeoutNanos: timeoutMs === undefined ? undefined : BigInt(timeoutMs) * NANOS_PER_MS,
    signal,
  };
  const reply = await callOnce(socketPath, call, DEFAULT_LIMITS);
  const failure = readFailure(reply.status);
  // Another program may quote what looks like a code of ours, such as the words of a registry.
  if (failure !== undefined && (await identifyServer(socketPath, IDENTIFY_TIMEOUT_MS)) === 'sealift') throw failure;
  const { manifestDigest } = pullImageResponse.decode(payloadOf(reply, `pull of ${imageUrl}`));
  return { manifestDigest };
}
