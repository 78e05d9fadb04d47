import type { FlowSink } from './flow-sink.ts';
import { RingAborted } from './ring.ts';

/**
 * Keeps the first failure of the stages below until the end, and swallows the bytes in between. The digest in front of
 * this stage then still sees the whole blob: a byte that was changed on the way is called a digest mismatch, whatever
 * inflate or tar made of it, and what is left is the image's own fault. Cancelling is never deferred.
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
