import type { Contribution } from './contribution.ts';
import { locateDocument } from './locate-document.ts';
import type { ParsedDaemonFile } from './parse-daemon-file.ts';
import type { ImageLookaside, KeyBrokerSettings } from './types.ts';

interface ImageLookasideContribution extends Contribution {
  readonly lookaside: ImageLookaside | undefined;
}

const NOTHING: ImageLookasideContribution = { lookaside: undefined, sources: [], obstacles: [], warnings: [] };

/**
 * Returns the document that `sigstore_config_uri` names, which is loaded for each pull, or the text of `sigstore_config`.
 * https://github.com/confidential-containers/guest-components/blob/main/image-rs/src/config.rs
 */
export function imageLookasideContribution(
  { path, file }: ParsedDaemonFile,
  broker: KeyBrokerSettings,
): ImageLookasideContribution {
  const { sigstore_config: text, sigstore_config_uri: uri } = file.image ?? {};
  const origin = `file ${path}`;
  if (uri === undefined) return text === undefined ? NOTHING : { ...NOTHING, lookaside: { kind: 'inline', text } };
  const found = locateDocument({ key: 'image.sigstore_config_uri', uri, origin }, broker);
  const ignored = `${origin}: image.sigstore_config: ignored, because image.sigstore_config_uri overrides it`;
  const warnings = text === undefined ? [] : [ignored];
  if (typeof found !== 'string') return { ...NOTHING, obstacles: [found], warnings };
  return { ...NOTHING, lookaside: { kind: 'uri', uri: found }, warnings };
}
