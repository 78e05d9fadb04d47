import { refuseSignature } from '../signed-content/index.ts';

/** Throws `SIGNATURE_REFUSED` for a timestamp whose form is not the expected one. */
export function refuseTimestamp(what: string): never {
  return refuseSignature('timestamp', `its timestamp cannot be read: ${what}`);
}
