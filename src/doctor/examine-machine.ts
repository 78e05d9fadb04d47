import { assertSystemCalls, attempt, closeFd, fsconfigString, fsopen, type Usability } from '../platform/index.ts';
import type { MachineFacts } from './types.ts';

const NOT_ROOT: Usability = { unusable: 'needs root' };

/** See {@link DoctorOperations.examineMachine}. */
export function examineMachine({ asRoot }: { readonly asRoot: boolean }): MachineFacts {
  const systemCalls = attempt(() => assertSystemCalls()).usability;
  if (!asRoot) return { systemCalls, overlay: NOT_ROOT, appendedLowers: NOT_ROOT };
  const context = attempt(() => fsopen('overlay'));
  const { value: fd, usability: overlay } = context;
  if (fd === undefined) return { systemCalls, overlay, appendedLowers: overlay };
  try {
    return { systemCalls, overlay, appendedLowers: attempt(() => fsconfigString(fd, 'lowerdir+', '/')).usability };
  } finally {
    closeFd(fd);
  }
}
