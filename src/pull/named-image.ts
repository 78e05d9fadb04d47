import type { FileSupply } from '../archive/index.ts';
import { raceCancellation, SealiftError } from '../errors/index.ts';
import {
  formatImageReference,
  type ImageReference,
  isDigest,
  parseFileReference,
  parseReference,
  withDefaultTag,
} from '../oci/index.ts';
import type { ImageSupply } from '../registry/index.ts';
import type { AuthorizedImage, SignatureSource } from '../signature/index.ts';
import type { ImagePorts } from './ports.ts';

/** Where an image's bytes come from: all endpoints of a name, or files of this machine. */
export type ImageBytes = ImageSupply | FileSupply;

/** What the user asked for, fully expanded, and its bytes. */
export interface NamedImage {
  readonly reference: ImageReference;
  readonly source: ImageBytes;
  /** Where signatures may be attached to it: the endpoint that gave the manifest, then the others. */
  readonly signatureSources: () => readonly SignatureSource[];
  /** Throws `CONFIG_CLASS_REFUSED` when the image's proof is too weak for the transport that was configured. */
  readonly assertTransport: (image: AuthorizedImage) => void;
}

export interface NamedImageRequest {
  readonly unsafeReference: string;
  readonly ports: Pick<ImagePorts, 'openEndpoints' | 'openArchive'>;
  /** Where a compressed archive is unpacked; undefined: where the system keeps large temporary files. */
  readonly scratchDir: string | undefined;
  readonly signal: AbortSignal;
}

/** Opens what a reference names. Disposing closes the files of an archive and never throws. */
export async function openNamedImage(request: NamedImageRequest): Promise<NamedImage & AsyncDisposable> {
  const { unsafeReference, ports, scratchDir, signal } = request;
  if (ports.openArchive === undefined) {
    const reference = withDefaultTag(parseReference(unsafeReference));
    const { supply: source, assertTransport } = await ports.openEndpoints(reference, signal);
    const signatureSources = () => source.signatureSources();
    return { reference, source, signatureSources, assertTransport, [Symbol.asyncDispose]: async () => {} };
  }
  const archive = await ports.openArchive(parseFileReference(unsafeReference), { scratchDir, signal });
  const { reference, supply } = archive;
  return {
    reference,
    source: supply,
    signatureSources: () => [sourceOfFiles(reference, supply)],
    // No byte of an image in files comes over a network.
    assertTransport: () => {},
    // The caller's own failure is the one to report, and a disk that does not answer must not delay a cancel.
    [Symbol.asyncDispose]: async () => void (await Promise.allSettled([raceCancellation(archive.close(), signal)])),
  };
}

/** Files keep no lists of signatures beside the image. */
function sourceOfFiles(reference: ImageReference, supply: FileSupply): SignatureSource {
  return {
    name: formatImageReference(reference),
    isLocal: true,
    fetchManifest: (tagOrDigest, signal) =>
      isDigest(tagOrDigest) ? supply.fetchManifest(tagOrDigest, signal) : supply.fetchNamed(tagOrDigest, signal),
    fetchSmallBlob: (descriptor, bound, signal) => supply.fetchSmallBlob(descriptor, bound, signal),
    fetchSignatureList: async () => undefined,
    fetchReferrers: (digest, page, signal) => supply.fetchReferrers(digest, page, signal),
  };
}

/** Returns what a source is asked for first. A source of files finds the image by its reference unless a digest is given. */
export function firstDocumentName(reference: ImageReference): string {
  return reference.digest ?? ('tag' in reference ? (reference.tag ?? 'latest') : '');
}

function isNotThere(error: unknown): error is SealiftError {
  // Not for a registry that does not answer, which may have the image that was meant, nor for a denial, which is final.
  return error instanceof SealiftError && (error.kind === 'missing' || error.kind === 'unauthorized');
}

/** Runs with the first of `names` that a registry has. Each is a full name, and the policy judges it as that. */
export async function firstName<T>(names: readonly string[], run: (name: string) => Promise<T>): Promise<T> {
  const failures: SealiftError[] = [];
  for (const name of names) {
    try {
      return await run(name);
    } catch (error) {
      if (!isNotThere(error) || names.length === 1) throw error;
      failures.push(error);
    }
  }
  const [first] = failures;
  if (first === undefined) throw new SealiftError('INTERNAL', 'expected a name, got none');
  throw new SealiftError(first.code, `none of ${names.join(', ')} was found: ${first.message}`, {
    context: first.context,
    hint: first.hint,
    cause: new AggregateError(failures, 'every name failed'),
  });
}
