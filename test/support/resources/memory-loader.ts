import { SealiftError } from '../../../src/errors/index.ts';
import type { ResourceLoader } from '../../../src/resources/index.ts';

/** A loader whose documents are these texts, by their URIs. `loaded` lists what was asked for. */
export function memoryLoader(
  documents: Readonly<Record<string, string>>,
): ResourceLoader & { readonly loaded: readonly string[] } {
  const loaded: string[] = [];
  return {
    loaded,
    load: async (uri, { what, code }) => {
      loaded.push(uri);
      const text = documents[uri];
      if (text === undefined) throw new SealiftError(code, `load ${what} ${uri}: cannot be read`);
      return Buffer.from(text);
    },
  };
}
