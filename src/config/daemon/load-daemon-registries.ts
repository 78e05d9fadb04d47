import type { LoadOptions } from '../../resources/index.ts';
import { loadImageRsRegistries, loadRegistries, namedRegistries } from '../registries/load-registries.ts';
import { mergeRegistries } from '../registries/merge-registries.ts';
import type { Registries } from '../registries/types.ts';
import type { DaemonConfiguration } from './types.ts';

/** Loads the registries that the measured configuration names; no file is searched for. Throws `REGISTRIES_INVALID`. */
export async function loadDaemonRegistries(
  configuration: Pick<DaemonConfiguration, 'pull' | 'imageRegistries'>,
  options: LoadOptions,
): Promise<Registries> {
  const { value: image } = configuration.imageRegistries;
  if (image === undefined) return loadRegistries(namedRegistries(configuration), options);
  if (image.kind === 'inline') return mergeRegistries([image.document]);
  return loadImageRsRegistries(image.uri, options);
}
