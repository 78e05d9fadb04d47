import { asSealiftError } from '../errors/index.ts';
import { isAbsent } from './load-text.ts';
import type { ResourceLoad, ResourceLoader, ResourceSource } from './types.ts';

/** Returns the same loader, which reports each load when it ends. A document that need not be there ends as `absent`. */
export function countingLoader(resources: ResourceLoader, onLoad: (load: ResourceLoad) => void): ResourceLoader {
  return {
    load: async (uri, request) => {
      let source: ResourceSource = 'none';
      const onSource = (chosen: ResourceSource): void => {
        source = chosen;
      };
      try {
        const bytes = await resources.load(uri, { ...request, onSource });
        onLoad({ source, result: 'ok' });
        return bytes;
      } catch (error) {
        onLoad({ source, result: isAbsent(error) ? 'absent' : asSealiftError(error).code });
        throw error;
      }
    },
  };
}
