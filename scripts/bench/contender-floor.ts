import type { Contender } from './contender.ts';
import type { FloorPlan } from './floor.ts';
import type { BuiltPrograms } from './programs.ts';

export const FLOOR_NAME = 'floor (output dropped)';

/** The lower bound of any pull in this runtime on two threads: see floor.ts. */
export function createFloor({ node, floor }: BuiltPrograms): Contender {
  return {
    name: FLOOR_NAME,
    kind: 'floor',
    needs: [],
    steps({ registry, image }) {
      const [host = '', port = ''] = registry.split(':');
      const layers = image.image.layers.map(({ digest, diffId, tarSize, compression }) => ({
        digest,
        diffId,
        tarSize,
        compression: compression === 'zstd' ? ('zstd' as const) : ('gzip' as const),
      }));
      const plan: FloorPlan = { host, port: Number(port), repository: image.repository, layers };
      // These are the launcher's flags.
      const flags = ['--disable-warning=ExperimentalWarning', '--max-semi-space-size=1'];
      return [{ command: [node, ...flags, floor, JSON.stringify(plan)], env: { MALLOC_ARENA_MAX: '1' } }];
    },
    results: () => undefined,
  };
}
