import { type CredentialSource, credentialSourceFor, parseAuthFile, type RepositoryName } from '../registry/index.ts';
import { type LoadOptions, loadText } from '../resources/index.ts';

/**
 * Returns what credentials files say about a repository, in the order of the files. Files after one with known
 * credentials are not read. Throws `AUTHFILE_INVALID`.
 */
export async function findCredentialSources(
  name: RepositoryName,
  paths: readonly string[],
  { resources, maxBytes, signal }: LoadOptions,
): Promise<readonly CredentialSource[]> {
  const sources: CredentialSource[] = [];
  for (const path of paths) {
    const text = await loadText(resources, path, { what: 'credentials', maxBytes, code: 'AUTHFILE_INVALID', signal });
    const source = credentialSourceFor(parseAuthFile(text), name);
    if (source !== undefined) sources.push(source);
    if (source?.kind === 'known') break;
  }
  return sources;
}
