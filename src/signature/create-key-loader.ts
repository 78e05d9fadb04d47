import type { Limits } from '../limits/index.ts';
import type { ResourceLoader } from '../resources/index.ts';
import { isArmored } from './policy/index.ts';
import type { KeyLoader } from './types.ts';

export interface KeyLoaderOptions {
  readonly resources: ResourceLoader;
  readonly limits: Pick<Limits, 'maxKeyRingBytes'>;
}

/** Loads keys from the files that a policy names, and from the policy itself. */
export function createKeyLoader({ resources, limits }: KeyLoaderOptions): KeyLoader {
  const bound = { maxBytes: limits.maxKeyRingBytes, limit: 'maxKeyRingBytes' } as const;
  return {
    load: async ({ kind, values }, signal) => {
      if (kind === 'data' || kind === 'datas') {
        return values.map((text) => Buffer.from(text, isArmored(text) ? 'latin1' : 'base64'));
      }
      const request = { what: 'key', ...bound, code: 'POLICY_INVALID', signal } as const;
      return Promise.all(values.map((path) => resources.load(path, request)));
    },
  };
}
