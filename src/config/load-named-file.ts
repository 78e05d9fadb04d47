import { SealiftError, withHint } from '../errors/index.ts';
import { LIMITS } from '../limits/index.ts';
import { createResourceLoader, loadText } from '../resources/index.ts';
import type { NamedFile } from './types.ts';

/** What to do when the file given with -c cannot be read: nothing in it can be compared with anything. */
export const CHECK_PATH = 'check the path given with -c';

/**
 * Reads the configuration file that is given with -c, an absolute path; undefined when none is. It may be a pipe, for
 * which the signal ends the wait. Throws `CONFIG_FILE_INVALID` and `PULL_CANCELLED`.
 */
export async function loadNamedFile(path: string | undefined, signal: AbortSignal): Promise<NamedFile | undefined> {
  if (path === undefined) return undefined;
  const maxBytes = LIMITS.maxConfigurationBytes.default;
  const request = { what: 'configuration', maxBytes, code: 'CONFIG_FILE_INVALID', signal } as const;
  try {
    return { path, text: await loadText(createResourceLoader(), path, request) };
  } catch (error) {
    if (!(error instanceof SealiftError) || error.code !== 'CONFIG_FILE_INVALID') throw error;
    throw withHint(error, CHECK_PATH);
  }
}
