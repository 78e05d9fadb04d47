import type { Refuse } from '../certificates/index.ts';
import { refuseSignature } from '../signed-content/index.ts';

/** Throws `SIGNATURE_REFUSED`: the certificate of a signature is not what was expected. */
export const refuseCertificate: Refuse = (what) =>
  refuseSignature('certificate', `its certificate cannot be used: ${what}`);
