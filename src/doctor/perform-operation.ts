import { assertNever } from '../errors/index.ts';
import { examineClock } from './examine-clock.ts';
import { examineKernel } from './examine-kernel.ts';
import { examineMachine } from './examine-machine.ts';
import { examinePlace } from './examine-place.ts';
import { examinePrograms } from './examine-programs.ts';
import { examineResources } from './examine-resources.ts';
import { examineSocket } from './examine-socket.ts';
import { readAgentFile } from './read-agent-file.ts';
import { readResolver } from './read-resolver.ts';
import { resolveNames } from './resolve-names.ts';
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
    case 'examinePrograms':
      return examinePrograms(operation.request);
    case 'examineResources':
      return examineResources(operation.request);
    case 'examineClock':
      return examineClock();
    case 'readResolver':
      return readResolver(operation.request);
    case 'resolveNames':
      return resolveNames(operation.request);
    case 'readAgentFile':
      return readAgentFile(operation.request);
    default:
      return assertNever(operation, 'doctor operation');
  }
}
