import type { Limits } from '../../limits/index.ts';
import type { ExaminedKey, KeyExamination, KeyForm } from '../signed-content/index.ts';
import { examineAuthorities, examinePublicKeys, examineTrustedRoots } from '../sigstore/index.ts';
import { examineKeyRings } from '../simple-signing/index.ts';

export interface KeyExaminationRequest extends KeyExamination {
  /** The time that "expired" is compared with, in milliseconds since 1970. */
  readonly nowMs: number;
  readonly limits: Limits;
}

type Examine = (request: KeyExaminationRequest) => readonly ExaminedKey[] | Promise<readonly ExaminedKey[]>;

const EXAMINERS: { readonly [Form in KeyForm]: Examine } = {
  'key-ring': examineKeyRings,
  'public-key': examinePublicKeys,
  certificates: examineAuthorities,
  'trusted-root': (request) => examineTrustedRoots(request, false),
  'trusted-root-with-authorities': (request) => examineTrustedRoots(request, true),
};

/** Says of each key whether it could sign now. Throws `POLICY_INVALID` for key material that cannot be read. */
export async function examineKeys(request: KeyExaminationRequest): Promise<readonly ExaminedKey[]> {
  return EXAMINERS[request.form](request);
}
