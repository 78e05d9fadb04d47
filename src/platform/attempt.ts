import { SealiftError } from '../errors/index.ts';
import { errnoOf } from './syscalls.ts';

/** What a probe found out about a part of the system. */
export type Usability = 'usable' | { readonly unusable: string };

export interface Attempt<Value> {
  /** Undefined when the system refused. */
  readonly value: Value | undefined;
  readonly usability: Usability;
}

/** For probes: what the system refuses is an answer. What is no error of a system call is a bug and passes through. */
export function attempt<Value>(action: () => Value): Attempt<Value> {
  try {
    return { value: action(), usability: 'usable' };
  } catch (error) {
    const isRefusal = error instanceof SealiftError || errnoOf(error) !== undefined;
    if (!isRefusal || !(error instanceof Error)) throw error;
    return { value: undefined, usability: { unusable: error.message } };
  }
}
