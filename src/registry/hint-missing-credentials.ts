import { CODES, SealiftError, withHint } from '../errors/index.ts';

/**
 * Waits for an answer to a request that was sent without credentials, and gives a refusal the hint to add some. A hint
 * that is more precise than that of the code stays.
 */
export async function hintMissingCredentials<T>(answer: Promise<T>, hint: () => string | undefined): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    if (!(error instanceof SealiftError) || error.code !== 'REGISTRY_AUTH_REJECTED') throw error;
    const better = error.hint === CODES[error.code].hint ? hint() : undefined;
    throw better === undefined ? error : withHint(error, better);
  }
}
