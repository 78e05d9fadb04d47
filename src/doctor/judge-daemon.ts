import { daemonHint } from '../errors/index.ts';
import type { VolumeSpace, VolumeStatus } from '../volume/index.ts';
import { ok } from './checks.ts';
import type { AbilityName, DaemonFindings } from './daemon-types.ts';
import { judgePrograms } from './judge-programs.ts';
import { judgeSockets } from './judge-sockets.ts';
import { judgeTimeouts } from './judge-timeouts.ts';
import type { Check } from './types.ts';

const MIB = 1024 * 1024;

/** Returns the checks of the daemon, in the order in which they depend on each other. */
export function judgeDaemon(findings: DaemonFindings): readonly Check[] {
  return [
    judgeConfiguration(findings),
    ...judgeMapper(findings),
    judgeAegis(findings),
    judgePrograms(findings.programs),
    judgeStore(findings.store),
    judgeSockets(findings.sockets),
    ...judgeTimeouts(findings.timeouts),
  ];
}

function judgeConfiguration({ obstacle, usesDefaults, warnings }: DaemonFindings): Check {
  const name = 'daemon-configuration';
  if (obstacle !== undefined) {
    const others = usesDefaults ? '; the other checks are those of the default settings' : '';
    const detail = `pulls are refused: ${obstacle.message} [${obstacle.code}]${others}`;
    return { name, status: 'fail', detail, remedy: daemonHint(obstacle) };
  }
  if (warnings.length === 0) return ok(name, 'every setting has an effect');
  const remedy = 'correct these settings, or remove them from the configuration';
  return { name, status: 'warn', detail: warnings.join('; '), remedy };
}

/** A missing target is a warning: a guest without a device for the store does not need it. */
function judgeMapper({ abilities }: DaemonFindings): readonly Check[] {
  return (['dm-crypt', 'dm-integrity', 'dm-verity'] as const).map((name) => {
    if (abilities[name] !== 'absent') return ok(name, describeAbility(abilities[name]));
    const option = `CONFIG_${name.toUpperCase().replace('-', '_')}`;
    const remedy = `use a kernel with ${option}; without it the store cannot use a block device, and images go to memory`;
    return { name, status: 'warn', detail: `the kernel has no ${name}`, remedy };
  });
}

function judgeAegis({ abilities, integrity }: DaemonFindings): Check {
  const name = 'aegis128' satisfies AbilityName;
  const isWanted = integrity === name;
  if (abilities[name] !== 'absent') {
    const faster = isWanted ? '' : `; volume.integrity = "${name}" takes half the time of ${integrity}`;
    return ok(name, `${describeAbility(abilities[name])}${faster}`);
  }
  if (!isWanted) return ok(name, `not available; ${integrity} does not need it`);
  const remedy = 'use a kernel with CONFIG_CRYPTO_AEGIS128, or set volume.integrity = "hmac-sha256"';
  return { name, status: 'fail', detail: 'not available, and volume.integrity requires it', remedy };
}

function describeAbility(ability: 'ready' | 'loadable'): string {
  return ability === 'ready' ? 'available in the kernel' : 'the kernel loads it as a module when it is used';
}

function judgeStore({ state, backing, space, error, cipher, integrity }: VolumeStatus): Check {
  const name = 'daemon-store';
  const { message = '', hint = 'start the pod again' } = error ?? {};
  if (state === 'preparing') {
    return {
      name,
      status: 'warn',
      detail: 'the device is being prepared; pulls wait for it',
      remedy: 'run the doctor again later',
    };
  }
  if (backing === undefined) {
    return { name, status: 'fail', detail: `${state}, pulls are refused: ${message}`, remedy: hint };
  }
  const where = `${backing.kind} at ${backing.directory} (${backing.reason})${describeSpace(space)}`;
  if (state === 'failed' || state === 'stalled') {
    return { name, status: 'warn', detail: `${where}: ${message}`, remedy: hint };
  }
  return ok(name, backing.kind === 'device' ? `${where}; ${cipher}, integrity ${integrity}` : where);
}

function describeSpace(space: VolumeSpace | undefined): string {
  if (space === undefined) return '';
  const [free, size] = [space.availableBytes, space.sizeBytes].map((bytes) => Math.floor(bytes / MIB));
  return `, ${free} of ${size} MiB free`;
}
