import type { FileSupply } from '../archive/index.ts';
import { raceCancellation } from '../http/index.ts';
import { type ImageReference, parseFileReference, parseReference, withDefaultTag } from '../oci/index.ts';
import type { ImageSupply } from '../registry/index.ts';
import type { ImagePorts } from './ports.ts';

/** Where an image's bytes come from: all the places of a name, or files of this machine. */
export type ImageBytes = ImageSupply | FileSupply;

/** What the user asked for, fully expanded, and its bytes. */
export interface NamedImage {
  readonly reference: ImageReference;
  readonly source: ImageBytes;
}

export interface NamedImageRequest {
  readonly unsafeReference: string;
  readonly ports: Pick<ImagePorts, 'openSource' | 'openArchive'>;
  /** For a compressed archive; undefined: where the system has such files. */
  readonly scratchDir: string | undefined;
  readonly signal: AbortSignal;
}

/** Opens what a reference names, for as long as `work` takes. */
export async function withNamedImage<Result>(
  { unsafeReference, ports, scratchDir, signal }: NamedImageRequest,
  work: (image: NamedImage) => Promise<Result>,
): Promise<Result> {
  if (ports.openArchive === undefined) {
    const reference = withDefaultTag(parseReference(unsafeReference));
    return work({ reference, source: ports.openSource(reference) });
  }
  const archive = await ports.openArchive(parseFileReference(unsafeReference), { scratchDir, signal });
  try {
    return await work({ reference: archive.reference, source: archive.supply });
  } finally {
    // The failure to tell is the work's; a disk that does not answer must not hold up a cancel.
    await Promise.allSettled([raceCancellation(archive.close(), signal)]);
  }
}

/** What a source is asked for first. One of files knows itself which image is meant, unless a digest says so. */
export function firstDocumentName(reference: ImageReference): string {
  return reference.digest ?? ('tag' in reference ? (reference.tag ?? 'latest') : '');
}
