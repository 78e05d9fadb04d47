import type { Commands } from '../../../src/cli/index.ts';
import { type CliSurroundings, composeCli } from '../../../src/compose/cli.ts';
import { lendPool } from '../pools/pools.ts';

/** Composes the commands of the CLI in this process, with an empty environment and the threads of the test file. */
export function composeTestCli(changes: Partial<CliSurroundings> = {}): Commands {
  return composeCli({ environment: {}, version: 'test', openPool: lendPool, ...changes });
}
