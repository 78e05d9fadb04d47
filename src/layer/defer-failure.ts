import { blamesBytes } from './blames-bytes.ts';
import type { FlowSink } from './flow-sink.ts';

/**
 * Keeps a failure of the next stages until the end if altered bytes can have caused it, and drops the bytes in between.
 * The digest stage before it then sees the whole blob, so a byte that was changed on the way is reported as a digest
 * mismatch, whatever inflate or tar made of it. Any other failure ends the fetch at once: a full disk, a limit, a thread
 * that has died, a cancel.
 */
export function deferFailure(next: FlowSink): FlowSink {
  let failure: { readonly error: unknown } | undefined;
  const keep = (error: unknown): void => {
    if (!blamesBytes(error)) throw error;
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
