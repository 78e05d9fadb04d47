import type { Commands } from '../../../src/cli/index.ts';
import { type CliSurroundings, composeCli } from '../../../src/compose/cli.ts';
import { lendPool } from '../pools/pools.ts';

/** The commands of the CLI in this process, an empty environment around them, on threads that the test file keeps. */
export function composeTestCli(changes: Partial<CliSurroundings> = {}): Commands {
  return composeCli({ environment: {}, version: 'test', openPool: lendPool, ...changes });
}
