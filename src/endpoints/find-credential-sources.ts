import {
  type AuthFile,
  type CredentialSource,
  credentialSourceFor,
  parseAuthFile,
  type RepositoryName,
} from '../registry/index.ts';
import { type LoadOptions, loadText } from '../resources/index.ts';

/**
 * Returns what credentials files say about a repository, in the order of the files. Files after one with known
 * credentials are not read. Throws `AUTHFILE_INVALID`.
 */
export async function findCredentialSources(
  name: RepositoryName,
  paths: readonly string[],
  options: LoadOptions,
): Promise<readonly CredentialSource[]> {
  const sources: CredentialSource[] = [];
  for (const path of paths) {
    const source = credentialSourceFor(await loadAuthFile(path, options), name);
    if (source !== undefined) sources.push(source);
    if (source?.kind === 'known') break;
  }
  return sources;
}

export interface LocatedCredentials {
  /** The file that says so. */
  readonly path: string;
  readonly source: CredentialSource;
}

/** Returns the first of these files that says where credentials of a repository are; undefined: none does. */
export async function locateCredentials(
  name: RepositoryName,
  paths: readonly string[],
  options: LoadOptions,
): Promise<LocatedCredentials | undefined> {
  for (const path of paths) {
    const [source] = await findCredentialSources(name, [path], options);
    if (source !== undefined) return { path, source };
  }
  return undefined;
}

/** Returns the names of the helper programs that credentials files name. Throws `AUTHFILE_INVALID`. */
export async function findHelpers(paths: readonly string[], options: LoadOptions): Promise<readonly string[]> {
  const names = new Set<string>();
  for (const path of paths) {
    const { helpers, store } = await loadAuthFile(path, options);
    for (const name of [...helpers.values(), ...(store === undefined ? [] : [store])]) names.add(name);
  }
  return [...names].map((name) => `docker-credential-${name}`);
}

async function loadAuthFile(path: string, { resources, maxBytes, signal }: LoadOptions): Promise<AuthFile> {
  const request = { what: 'credentials', maxBytes, code: 'AUTHFILE_INVALID', signal } as const;
  return parseAuthFile(await loadText(resources, path, request));
}
