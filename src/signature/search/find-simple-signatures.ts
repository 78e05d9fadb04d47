import { formatImageLocation } from '../../oci/index.ts';
import type { Evidence, SignatureSearch } from '../types.ts';
import { NO_EVIDENCE } from './evidence.ts';
import { findLookasideSignatures } from './find-lookaside-signatures.ts';
import { findRegistrySignatures } from './find-registry-signatures.ts';

const WHERE = ' (by registries.d, or by image.sigstore_config of the daemon)';

/**
 * Looks for simple signatures: in the lookaside store of the image's name and, unless the configuration names one for it,
 * at registries that keep signatures themselves.
 */
export async function* findSimpleSignatures(search: SignatureSearch): AsyncGenerator<Evidence, void> {
  const lookaside = await search.openLookaside();
  if (lookaside !== undefined) yield findLookasideSignatures(lookaside, search);
  if (lookaside?.isConfigured === true) return;
  const name = formatImageLocation(search.reference);
  yield { ...NO_EVIDENCE, remarks: [`no lookaside store is configured for ${name}${WHERE}`] };
  for (const source of search.sources) yield findRegistrySignatures(source, search);
}
