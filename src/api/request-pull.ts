import { DEFAULT_LIMITS } from '../limits/index.ts';
import { callOnce, payloadOf } from '../ttrpc/index.ts';
import { defineApiMessages } from './messages.ts';
import type { RequestedPull } from './types.ts';

const NANOS_PER_MS = 1_000_000n;
const { pullImageRequest, pullImageResponse } = defineApiMessages(DEFAULT_LIMITS);

/**
 * Asks the server of a socket to pull an image, as the kata agent does. Throws `TTRPC_CALL_FAILED` with the server's
 * words, `TTRPC_CLOSED`, `TTRPC_DEADLINE_EXCEEDED`, or the signal's reason.
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
  const { manifestDigest } = pullImageResponse.decode(payloadOf(reply, `pull of ${imageUrl}`));
  return { manifestDigest };
}
