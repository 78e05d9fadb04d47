import { SealiftError } from '../errors/index.ts';
import type { CallOptions } from '../operations/index.ts';

/** Options for an operation that has to return within `ms`. After that it throws `VOLUME_STALLED`. */
export function within(ms: number): CallOptions {
  return { deadline: { ms, covers: 'operation', stalled: diskStalled } };
}

function diskStalled(ms: number): SealiftError {
  const message = `volume: expected its disk to answer within ${ms} ms, got no answer`;
  return new SealiftError('VOLUME_STALLED', message, { context: { limit: 'volumeTimeoutMs', expected: ms } });
}
