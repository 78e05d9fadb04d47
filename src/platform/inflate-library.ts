import ffi from 'node:ffi';
import { SealiftError } from '../errors/index.ts';

/**
 * The two functions of ISA-L that inflate. The state is its `struct inflate_state`, which holds addresses: what lies at
 * them must not be collected or moved while `inflate` runs.
 * https://github.com/intel/isa-l/blob/v2.30.0/include/igzip_lib.h
 */
export interface InflateLibrary {
  readonly path: string;
  readonly initialize: (state: Uint8Array) => void;
  /** Returns 0, or a negative number for a stream that is invalid. */
  readonly inflate: (state: Uint8Array) => number;
}

/**
 * Loads libisal from an absolute path, which the dynamic linker does not search for: no variable of the environment has
 * a part in it. Throws `PLATFORM_CALL_FAILED`.
 */
export function openInflateLibrary(path: string): InflateLibrary {
  if (!path.startsWith('/')) throw openFailed(path, 'expected an absolute path');
  try {
    const { functions } = ffi.dlopen(path, {
      isal_inflate_init: { return: 'void', arguments: ['pointer'] },
      isal_inflate: { return: 'i32', arguments: ['pointer'] },
    });
    return { path, initialize: functions.isal_inflate_init, inflate: functions.isal_inflate };
  } catch (error) {
    throw openFailed(path, error instanceof Error ? error.message : String(error));
  }
}

function openFailed(path: string, detail: string): SealiftError {
  return new SealiftError('PLATFORM_CALL_FAILED', `dlopen ${path}: ${detail}`, { context: { call: 'dlopen', path } });
}

/** Returns the address of the first byte. The caller keeps the array alive while the address is used. */
export function addressOf(bytes: Uint8Array): bigint {
  return ffi.getRawPointer(bytes);
}
