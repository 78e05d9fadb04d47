import { formatReference, formatRepositoryName, parseReference, type Reference } from '../../oci/index.ts';
import { matchSignedIdentity, type SignedIdentity } from '../policy/index.ts';
import { printable, SignatureRefusal } from './refuse-signature.ts';
import type { SignedContentCheck } from './types.ts';

/** What an authentic signature says. */
interface SignedContent {
  readonly manifestDigest: string;
  readonly reference: string;
}

/** Throws `SIGNATURE_REFUSED` for a signature of another image, or of this one under a name that does not count. */
export function requireContent({ manifestDigest, reference }: SignedContent, check: SignedContentCheck): void {
  requireDigest([manifestDigest], check);
  requireIdentity([reference], check);
}

/** Returns those of the signed digests that name this image. Throws `SIGNATURE_REFUSED` if there is none. */
export function requireDigest(signed: readonly string[], { digests }: SignedContentCheck): readonly string[] {
  const own = signed.filter((digest) => digests.some((each) => each === digest));
  if (own.length > 0) return own;
  const image = digests.filter((digest) => digest.startsWith('sha256:')).join(', ');
  const others = signed.slice(1).length > 0 ? ` and ${signed.length - 1} more` : '';
  const text = `it is for ${printable(signed[0] ?? 'nothing')}${others}, not for this image (${image})`;
  throw new SignatureRefusal('digest', text);
}

/**
 * Returns the first of the names in the signature that the rule accepts; undefined stands for a signature without a
 * name. Throws `SIGNATURE_REFUSED` when the rule accepts none of them.
 */
export function requireIdentity(names: readonly (string | undefined)[], check: SignedContentCheck): string | undefined {
  const { identity, imageReference } = check;
  const image = imageReference === undefined ? undefined : parseReference(imageReference);
  const position = names.findIndex((name) => matchSignedIdentity(identity, image, name));
  if (position >= 0) return names[position];
  const [name] = names.filter((each) => each !== undefined);
  const rule = `"signedIdentity" ${JSON.stringify(identity)} does not match`;
  if (name === undefined) {
    const remedy = `to accept the image by its digest alone, write "signedIdentity": ${JSON.stringify(BY_DIGEST)}`;
    throw new SignatureRefusal('identity', `it names no image, as cosign makes it: ${rule}`, { remedy });
  }
  const actual = imageReference === undefined ? 'the image has no name' : `the image is "${imageReference}"`;
  const text = `it is for the name "${printable(name)}", and ${actual}: ${rule}`;
  throw new SignatureRefusal('identity', text, remedyFor(name, image));
}

const BY_DIGEST: SignedIdentity = { type: 'digestOnly' };

/** The rule that accepts exactly what was signed, if that is a reference. */
function remedyFor(signed: string, image: Reference | undefined): { readonly remedy?: string } {
  try {
    const { tag, digest, ...name } = parseReference(signed);
    const rule = ruleFor({ ...name, tag, digest }, image);
    const isOtherName = image !== undefined && rule.type !== 'matchRepository';
    const accept = `to accept this name for the image, write "signedIdentity": ${JSON.stringify(rule)}`;
    return { remedy: isOtherName ? `sign the image under its own name; or, ${accept}` : accept };
  } catch {
    return {};
  }
}

function ruleFor(signed: Reference, image: Reference | undefined): SignedIdentity {
  const isName = signed.tag === undefined && signed.digest === undefined;
  if (!isName) return { type: 'exactReference', dockerReference: formatReference(signed) };
  const repository = formatRepositoryName(signed);
  const isOwn = image !== undefined && formatRepositoryName(image) === repository;
  return isOwn ? { type: 'matchRepository' } : { type: 'exactRepository', dockerRepository: repository };
}
