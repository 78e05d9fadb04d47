import { loadImageRsRegistries, loadRegistries, namedRegistries } from '../registries/load-registries.ts';
import { mergeRegistries } from '../registries/merge-registries.ts';
import type { Registries } from '../registries/types.ts';
import type { DaemonConfiguration } from './types.ts';

/** What the measured configuration names, and nothing that is found by itself. Throws `REGISTRIES_INVALID`. */
export function loadDaemonRegistries(
  configuration: Pick<DaemonConfiguration, 'pull' | 'imageRegistries'>,
  maxBytes: number,
): Registries {
  const { value: image } = configuration.imageRegistries;
  if (image === undefined) return loadRegistries(namedRegistries(configuration), maxBytes);
  if (image.kind === 'inline') return mergeRegistries([image.document]);
  return loadImageRsRegistries(image.path, maxBytes);
}
