import { checkRegistries } from '../registries/parse-registries.ts';
import type { Contribution } from './contribution.ts';
import { locateDocument } from './locate-document.ts';
import type { ParsedDaemonFile } from './parse-daemon-file.ts';
import type { ImageRegistries, KeyBrokerSettings } from './types.ts';

interface ImageRegistriesContribution extends Contribution {
  readonly registries: ImageRegistries | undefined;
}

const NOTHING: ImageRegistriesContribution = { registries: undefined, sources: [], obstacles: [], warnings: [] };

/**
 * Returns `registry_config`, or the document that `registry_configuration_uri` names, which is loaded for each pull. Throws
 * `REGISTRIES_INVALID`.
 * https://github.com/confidential-containers/guest-components/blob/main/image-rs/src/registry/mod.rs
 */
export function imageRegistriesContribution(
  { path, file }: ParsedDaemonFile,
  broker: KeyBrokerSettings,
): ImageRegistriesContribution {
  const { registry_config: table, registry_configuration_uri: uri } = file.image ?? {};
  const origin = `file ${path}`;
  if (table !== undefined) {
    const document = checkRegistries(table, `${path}, image.registry_config`, 'image-rs');
    const ignored = `${origin}: image.registry_configuration_uri: ignored, because image.registry_config overrides it`;
    return { ...NOTHING, registries: { kind: 'inline', document }, warnings: uri === undefined ? [] : [ignored] };
  }
  if (uri === undefined) return NOTHING;
  const found = locateDocument({ key: 'image.registry_configuration_uri', uri, origin }, broker);
  if (typeof found !== 'string') return { ...NOTHING, obstacles: [found] };
  return { ...NOTHING, registries: { kind: 'uri', uri: found } };
}
