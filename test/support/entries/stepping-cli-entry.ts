import { runCli } from '../../../src/cli/index.ts';
import { composeCli } from '../../../src/compose/cli.ts';
import { createCheckpoint } from '../programs/checkpoint-folder.ts';

/** sealift as it is shipped, except for its checkpoints and what a terminal would need. */
process.exitCode = await runCli({
  argv: process.argv.slice(2),
  commands: composeCli({
    environment: process.env,
    version: 'test',
    checkpoint: createCheckpoint(process.env),
  }),
  version: 'test',
  io: {
    stdout: process.stdout,
    stderr: process.stderr,
    cwd: process.cwd(),
    now: () => performance.now(),
    onSignal: () => () => undefined,
  },
});
