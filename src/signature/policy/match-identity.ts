import { formatReference, formatRepositoryName, parseReference, type Reference } from '../../oci/index.ts';
import type { SignedIdentity } from './types.ts';

// https://github.com/containers/image/blob/v5.30.2/signature/policy_reference_match.go

/**
 * True if a signature for `signedReference` may count for the image; a signature without a name counts only where names
 * are not compared. `image` is its name with a tag or a digest; undefined for an image that has no name in a registry,
 * to which only the two `exact` rules and `digestOnly` can apply.
 * https://github.com/containers/image/blob/v5.30.2/docs/containers-policy.json.5.md#signedby
 */
export function matchSignedIdentity(
  identity: SignedIdentity,
  image: Reference | undefined,
  signedReference: string | undefined,
): boolean {
  if (identity.type === 'digestOnly') return true;
  const signed = signedReference === undefined ? undefined : parseIfValid(signedReference);
  if (signed === undefined) return false;
  switch (identity.type) {
    case 'matchExact':
      return image !== undefined && isSame(image, signed);
    case 'matchRepoDigestOrExact':
      return image !== undefined && matchRepoDigestOrExact(image, signed);
    case 'matchRepository':
      return image !== undefined && formatRepositoryName(image) === formatRepositoryName(signed);
    case 'exactReference':
      return isSame(parseReference(identity.dockerReference), signed);
    case 'exactRepository':
      return formatRepositoryName(parseReference(identity.dockerRepository)) === formatRepositoryName(signed);
    case 'remapIdentity': {
      const remapped = image === undefined ? undefined : remap(image, identity.prefix, identity.signedPrefix);
      return remapped !== undefined && matchRepoDigestOrExact(remapped, signed);
    }
  }
}

function parseIfValid(text: string): Reference | undefined {
  try {
    return parseReference(text);
  } catch {
    return undefined;
  }
}

function isNameOnly({ tag, digest }: Reference): boolean {
  return tag === undefined && digest === undefined;
}

/** A name alone equals nothing: it would mean any tag. */
function isSame(image: Reference, signed: Reference): boolean {
  return !isNameOnly(image) && !isNameOnly(signed) && formatReference(image) === formatReference(signed);
}

/** The digest of an image that is named by one has been compared before, whatever name the signature has for it. */
function matchRepoDigestOrExact(image: Reference, signed: Reference): boolean {
  if (isNameOnly(signed)) return false;
  if (image.tag !== undefined) return isSame(image, signed);
  return image.digest !== undefined && formatRepositoryName(image) === formatRepositoryName(signed);
}

/** Undefined: the rule makes a name that is none. */
function remap(image: Reference, prefix: string, signedPrefix: string): Reference | undefined {
  const name = formatRepositoryName(image);
  if (name !== prefix && !name.startsWith(`${prefix}/`)) return image;
  const remapped = signedPrefix + formatReference(image).slice(prefix.length);
  const parsed = parseIfValid(remapped);
  return parsed !== undefined && formatReference(parsed) === remapped ? parsed : undefined;
}
