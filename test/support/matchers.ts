import { expect } from 'vitest';
import { type ErrorCode, SealiftError } from '../../src/errors/index.ts';

/** Runs `action` and returns the SealiftError it fails with; anything else fails the test. */
export async function failure(action: () => unknown): Promise<SealiftError> {
  try {
    await action();
  } catch (error) {
    if (error instanceof SealiftError) return error;
    throw error;
  }
  throw new Error('expected a SealiftError, but nothing was thrown');
}

/** Asserts that `action` fails with `code`, and returns the error for a closer look. */
export async function expectFailure(code: ErrorCode, action: () => unknown): Promise<SealiftError> {
  const error = await failure(action);
  expect(error.code, error.message).toBe(code);
  return error;
}
