import { SealiftError } from '../errors/index.ts';
import { errnoOf } from './syscalls.ts';

/** Whether a part of the system can be used, and if not, why. */
export type Usability = 'usable' | { readonly unusable: string };

interface Attempted<Value> {
  /** Undefined when the system call failed. */
  readonly value: Value | undefined;
  readonly usability: Usability;
  /** The errno of the system call that failed. */
  readonly errno: string | undefined;
}

/**
 * Runs `action` for a probe: a system call that fails is a result. Any other error is a bug and is thrown on.
 */
export function attempt<Value>(action: () => Value): Attempted<Value> {
  try {
    return { value: action(), usability: 'usable', errno: undefined };
  } catch (error) {
    const errno = errnoOf(error);
    const isRefusal = error instanceof SealiftError || errno !== undefined;
    if (!isRefusal || !(error instanceof Error)) throw error;
    return { value: undefined, usability: { unusable: error.message }, errno };
  }
}
