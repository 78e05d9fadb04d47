import { SealiftError } from '../errors/index.ts';
import { asksForToken, type BlobAccess } from './blob-access.ts';
import type { Wire } from './exchange.ts';
import { brokenConnection } from './fault.ts';
import { type Followed, follow } from './follow.ts';
import { RangeReceiver, type RangeReceiverOptions } from './range-receiver.ts';
import { isExpired } from './redirect.ts';
import { refuseStatus, retryableStatus, subjectOf } from './refusal.ts';
import { hasFraming } from './response-head.ts';
import { type FailedAttempt, isRetryableStatus } from './retry.ts';
import type { HttpRequest } from './types.ts';

export interface RangeFetch extends Omit<RangeReceiverOptions, 'asked'> {
  readonly access: BlobAccess;
}

/**
 * Makes one attempt to fetch the missing bytes of a range. Returns undefined if they all came, or a failure that
 * permits another try. Throws an error that shows that this server cannot serve the blob in ranges, or the abort reason
 * of the segment.
 */
export async function fetchRange(wire: Wire, range: RangeFetch): Promise<FailedAttempt | undefined> {
  const { access } = range;
  let askedAnew = false;
  for (;;) {
    const asked = access.shortest;
    const receiver = new RangeReceiver({ ...range, asked });
    const request = rangeRequest(asked, range);
    const { signal } = range.segment;
    const answer = await follow(wire, { request, receiver, signal, timeoutMs: undefined });
    if (receiver.accepted !== undefined) {
      access.noteAccepted(asked);
      access.noteSource(receiver.accepted);
    }
    if (answer.kind === 'broken') return brokenConnection(asked, answer, 0);
    const { head, url, excerpt, redirected } = answer;
    if (access.leaveShortcut(asked, head.status)) continue;
    if (asksForToken(head.status) && !redirected && (await access.renew(answer, asked))) continue;
    if (!askedAnew && redirected && isExpired(head.status)) {
      askedAnew = true;
      continue;
    }
    if (isRetryableStatus(head.status))
      return retryableStatus({ request: asked, url, head, excerpt, formerSecrets: access.formerSecrets }, wire.clock);
    return judgeEnd(answer, asked, range);
  }
}

/**
 * With If-Range, a blob that has changed since the first response is sent as a whole, which is refused.
 * https://www.rfc-editor.org/rfc/rfc9110#section-13.1.5
 */
function rangeRequest(asked: HttpRequest, { segment, etag }: RangeFetch): HttpRequest {
  const range = `bytes=${segment.position}-${segment.end - 1}`;
  return { ...asked, headers: { ...asked.headers, range, ...(etag === undefined ? {} : { 'if-range': etag }) } };
}

function judgeEnd(
  { head, url, excerpt }: Extract<Followed, { kind: 'complete' }>,
  asked: HttpRequest,
  { segment, access }: RangeFetch,
): FailedAttempt | undefined {
  const subject = subjectOf(asked, url);
  if (head.status === 200) {
    throw new SealiftError('HTTP_STATUS_UNEXPECTED', `${subject}: expected status 206 for a range, got status 200`);
  }
  if (head.status !== 206) refuseStatus({ request: asked, url, head, excerpt, formerSecrets: access.formerSecrets });
  if (segment.missingBytes === 0) return undefined;
  if (hasFraming(head)) {
    throw new SealiftError('BLOB_SIZE_MISMATCH', `${subject}: expected ${segment.missingBytes} more bytes of a range`);
  }
  const cause = new SealiftError('HTTP_UNAVAILABLE', 'connection was closed before the end of the body');
  return brokenConnection(asked, { url, cause }, 0);
}
