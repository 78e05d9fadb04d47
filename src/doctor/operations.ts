import { examineClock } from './examine-clock.ts';
import { examineDirectory } from './examine-directory.ts';
import { examineKernel } from './examine-kernel.ts';
import { examineMachine } from './examine-machine.ts';
import { examinePrograms } from './examine-programs.ts';
import { examineResources } from './examine-resources.ts';
import { examineSocket } from './examine-socket.ts';
import { readAgentFile } from './read-agent-file.ts';
import { readResolver } from './read-resolver.ts';
import { resolveNames } from './resolve-names.ts';
import type { DoctorOperations } from './types.ts';

export const DOCTOR_OPERATIONS: DoctorOperations = {
  examineMachine,
  examineDirectory,
  examineKernel,
  examineSocket,
  examinePrograms,
  examineResources,
  examineClock,
  readResolver,
  resolveNames,
  readAgentFile,
};
