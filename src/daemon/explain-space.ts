import { SealiftError, withHint } from '../errors/index.ts';
import type { StoreBacking } from '../pull/index.ts';
import { explainShortage } from '../volume/index.ts';

/**
 * Returns `STORE_SPACE_EXHAUSTED` with a hint for the pod's owner, who knows annotations and memory limits and not the
 * directories in the guest. Any other error is returned as it is.
 */
export function explainSpace(error: unknown, { trees }: Pick<StoreBacking, 'trees'>): unknown {
  if (!(error instanceof SealiftError) || error.code !== 'STORE_SPACE_EXHAUSTED') return error;
  const { expected, likely = expected, actual, size } = error.context;
  // Without the size of the store it is the state directory that is full.
  if (size === undefined) return error;
  const hint = explainShortage({
    kind: trees === 'required' ? 'device' : 'memory',
    needBytes: Number(expected),
    likelyBytes: Number(likely),
    sizeBytes: Number(size),
    availableBytes: Number(actual),
  });
  return withHint(error, hint);
}
