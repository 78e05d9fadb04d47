import { Argument, type Command } from 'commander';
import { describeProgram } from '../completion/describe-program.ts';
import { formatCompletion } from '../completion/format-completion.ts';
import { SHELLS, type Shell } from '../completion/types.ts';
import type { CommonFlags } from '../flags/common-flags.ts';
import type { CommandContext } from '../types.ts';

const EXAMPLES = `
Examples:
  source <(sealift completion bash)
  sealift completion bash > /usr/share/bash-completion/completions/sealift
  sealift completion zsh > /usr/share/zsh/vendor-completions/_sealift
  sealift completion fish > /usr/share/fish/vendor_completions.d/sealift.fish
`;

export function addCompletion(program: Command, context: CommandContext): void {
  program
    .command('completion')
    .description('print a script that completes this command line in a shell')
    .addArgument(new Argument('<shell>', 'which shell').choices(SHELLS))
    .option('--json', 'print one JSON document')
    .addHelpText('after', EXAMPLES)
    .action((shell: Shell, flags: CommonFlags) => {
      const script = formatCompletion(describeProgram(program), shell);
      context.finish({ result: { script }, output: () => script }, flags);
    });
}
