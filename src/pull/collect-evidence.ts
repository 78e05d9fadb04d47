import type { Evidence, FindSignatures, SignatureSearch } from '../signature/index.ts';

/** Fetches the signatures that a policy looks at, before it judges the image. */
export async function collectEvidence(finders: readonly FindSignatures[], search: SignatureSearch): Promise<Evidence> {
  const found = await Promise.all(finders.map((find) => find(search)));
  return { signatures: found.flat() };
}
