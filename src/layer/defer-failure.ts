import type { FlowSink } from './flow-sink.ts';
import { RingAborted } from './ring.ts';

/**
 * Keeps the first failure of the next stages until the end, and drops the bytes in between. The digest stage before it
 * then sees the whole blob, so a byte that was changed on the way is reported as a digest mismatch, whatever inflate or
 * tar made of it. Any other failure is the image's own fault. A cancel is never deferred.
 */
export function deferFailure(next: FlowSink): FlowSink {
  let failure: { readonly error: unknown } | undefined;
  const keep = (error: unknown): void => {
    if (error instanceof RingAborted && error.reason === 'cancelled') throw error;
    failure = { error };
  };
  return {
    write(chunk) {
      if (failure !== undefined) return undefined;
      try {
        return next.write(chunk)?.catch(keep);
      } catch (error) {
        return keep(error);
      }
    },
    end() {
      if (failure !== undefined) throw failure.error;
      return next.end();
    },
  };
}
