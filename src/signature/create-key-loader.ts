import type { Limits } from '../limits/index.ts';
import type { ResourceLoader } from '../resources/index.ts';
import { isArmored, isJsonText } from './policy/index.ts';
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
        return values.map(decodeInline);
      }
      const request = { what: 'key', ...bound, code: 'POLICY_INVALID', signal } as const;
      return Promise.all(values.map((path) => resources.load(path, request)));
    },
  };
}

/** Decodes what the policy itself holds: as text, or in base64. */
function decodeInline(text: string): Uint8Array {
  if (isArmored(text)) return Buffer.from(text, 'latin1');
  return Buffer.from(text, isJsonText(text) ? 'utf8' : 'base64');
}
