import { assertNever } from '../errors/index.ts';
import { examineMachine } from './examine-machine.ts';
import { examinePlace } from './examine-place.ts';
import type { DoctorOperation, DoctorOperations } from './types.ts';

/** The worker's side of `RunDoctorOperation`. */
export function performDoctorOperation(
  operation: DoctorOperation,
): ReturnType<DoctorOperations[keyof DoctorOperations]> {
  switch (operation.kind) {
    case 'examineMachine':
      return examineMachine(operation.request);
    case 'examinePlace':
      return examinePlace(operation.request);
    default:
      return assertNever(operation, 'doctor operation');
  }
}
