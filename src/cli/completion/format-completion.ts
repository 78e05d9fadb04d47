import { assertNever } from '../../errors/index.ts';
import { formatBash } from './format-bash.ts';
import { formatFish } from './format-fish.ts';
import { formatZsh } from './format-zsh.ts';
import type { CompletedCommand, Shell } from './types.ts';

/** Returns a script that completes the command line of `program` in a shell. */
export function formatCompletion(program: CompletedCommand, shell: Shell): string {
  switch (shell) {
    case 'bash':
      return formatBash(program);
    case 'zsh':
      return formatZsh(program);
    case 'fish':
      return formatFish(program);
    default:
      return assertNever(shell, 'shell');
  }
}
