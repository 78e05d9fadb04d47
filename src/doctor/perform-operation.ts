import { assertNever } from '../errors/index.ts';
import { examineKernel, findPrograms } from './examine-kernel.ts';
import { examineMachine } from './examine-machine.ts';
import { examinePlace } from './examine-place.ts';
import { examineSocket } from './examine-socket.ts';
import { readAgentFile } from './read-agent-file.ts';
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
    case 'examineKernel':
      return examineKernel(operation.request);
    case 'examineSocket':
      return examineSocket(operation.request);
    case 'findPrograms':
      return findPrograms(operation.request);
    case 'readAgentFile':
      return readAgentFile(operation.request);
    default:
      return assertNever(operation, 'doctor operation');
  }
}
