import { hasCommand } from '../../test/support/machine/commands.ts';
import type { Contender } from './contender.ts';
import { containerd } from './contender-containerd.ts';
import { createFloor } from './contender-floor.ts';
import { podman } from './contender-podman.ts';
import { createBaseline, createSealift } from './contender-sealift.ts';
import { skopeoAndUmoci } from './contender-skopeo-umoci.ts';
import type { BuiltPrograms } from './programs.ts';
import type { BenchSettings } from './settings.ts';

/** Returns the wanted contenders whose commands are installed, in the order in which they run. */
export function listContenders(
  programs: BuiltPrograms,
  { contenders: wanted, baseline }: Pick<BenchSettings, 'contenders' | 'baseline'>,
): Contender[] {
  const all: readonly Contender[] = [
    ...(baseline === undefined ? [] : [createBaseline(baseline)]),
    createSealift(programs.sealift, 'erofs'),
    createSealift(programs.sealift, 'erofs-verity'),
    createSealift(programs.sealift, 'directory'),
    skopeoAndUmoci,
    podman,
    containerd,
    createFloor(programs),
  ];
  return all
    .filter(({ name }) => wanted.test(name))
    .filter(({ name, needs }) => {
      const missing = needs.filter((command) => !hasCommand(command));
      if (missing.length > 0) console.error(`!!! ${name} is skipped: ${missing.join(', ')} missing`);
      return missing.length === 0;
    });
}
