import { accessSync, constants, readFileSync } from 'node:fs';
import { attempt, listTargetTypes } from '../platform/index.ts';
import { ABILITIES, type Abilities } from './daemon-types.ts';
import { decideAbility, type KernelEvidence } from './decide-ability.ts';

/** See {@link DoctorOperations.examineKernel}. Loads no module, and opens no device that would. */
export function examineKernel({ release }: { readonly release: string }): Abilities {
  const evidence: KernelEvidence = {
    targetTypes: isRegistered('device-mapper') ? (attempt(listTargetTypes).value ?? []) : [],
    crypto: readText('/proc/crypto'),
    builtinModules: readText(`/lib/modules/${release}/modules.builtin`),
    loadableModules: readText(`/lib/modules/${release}/modules.dep`),
    canLoad: canLoadModules(),
  };
  return Object.fromEntries(ABILITIES.map((name) => [name, decideAbility(name, evidence)])) as unknown as Abilities;
}

/** Opening the node of a driver that is not loaded would load it. */
function isRegistered(misc: string): boolean {
  return readText('/proc/misc')
    .split('\n')
    .some((line) => line.trim().split(/\s+/)[1] === misc);
}

/** https://docs.kernel.org/admin-guide/sysctl/kernel.html#modprobe */
function canLoadModules(): boolean {
  const path = readText('/proc/sys/kernel/modprobe').trim();
  return path !== '' && attempt(() => accessSync(path, constants.X_OK)).usability === 'usable';
}

function readText(path: string): string {
  return attempt(() => readFileSync(path, 'latin1')).value ?? '';
}
