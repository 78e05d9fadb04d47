import { isSame } from './signed-content/index.ts';
import type { RawSignature } from './types.ts';

// docs/adr/0028-kept-signatures.md

/** What of a signature a store keeps. */
export type KeptSignature = Pick<RawSignature, 'rawBytes' | 'mediaType' | 'annotations' | 'origin'>;

type Content = Pick<RawSignature, 'rawBytes' | 'mediaType' | 'annotations'>;

/** Marks what a store has kept. What would be refused for its size from elsewhere is left out. */
export function markKept(
  signatures: readonly KeptSignature[],
  { maxSignatureBytes }: { readonly maxSignatureBytes: number },
): readonly RawSignature[] {
  return signatures
    .filter(({ rawBytes }) => rawBytes.length <= maxSignatureBytes)
    .map((signature) => ({ ...signature, isKept: true }));
}

/**
 * Returns what a store should keep of an image, the signature to try first in front: those that satisfied the policy now,
 * then those of earlier pulls, which another policy may want. Undefined: that is what it keeps.
 */
export function signaturesToKeep(
  satisfying: readonly RawSignature[],
  kept: () => readonly KeptSignature[],
): readonly KeptSignature[] | undefined {
  if (satisfying.every(({ isKept }) => isKept === true)) return undefined;
  return [...satisfying, ...withoutCopies(kept(), satisfying)];
}

/** Leaves out those of which there is a copy among `others`. */
export function withoutCopies<Signature extends Content>(
  signatures: readonly Signature[],
  others: readonly Content[],
): readonly Signature[] {
  return signatures.filter((signature) => !others.some((other) => isCopy(signature, other)));
}

function isCopy(left: Content, right: Content): boolean {
  return (
    left.mediaType === right.mediaType &&
    isSame(left.rawBytes, right.rawBytes) &&
    textOf(left.annotations) === textOf(right.annotations)
  );
}

function textOf(annotations: Content['annotations']): string {
  return JSON.stringify(Object.entries(annotations).toSorted(([left], [right]) => (left < right ? -1 : 1)));
}
