import type { LoadOptions } from '../resources/index.ts';
import type { KeyLoader } from './types.ts';

/** Loads keys from the files that a policy names, and from the policy itself. */
export function createKeyLoader({ resources, maxBytes }: Pick<LoadOptions, 'resources' | 'maxBytes'>): KeyLoader {
  return {
    load: async ({ kind, values }, signal) => {
      if (kind === 'data' || kind === 'datas') return values.map((encoded) => Buffer.from(encoded, 'base64'));
      const request = { what: 'key', maxBytes, code: 'POLICY_INVALID', signal } as const;
      return Promise.all(values.map((path) => resources.load(path, request)));
    },
  };
}
