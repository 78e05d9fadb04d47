import { describe } from 'vitest';
import { hasCommand, IS_ROOT } from './commands.ts';

/** `root`, `x86-64` or a command. */
export type Need = string;

/** A `describe` that is skipped, with the reason in its title, where something it needs is missing. */
export function describeWith(needs: readonly Need[], title: string, body: () => void): void {
  const lacking = needs.filter((need) => !isMet(need));
  const suffix = lacking.length === 0 ? '' : ` (skipped: needs ${lacking.join(', ')})`;
  describe.skipIf(lacking.length > 0)(`${title}${suffix}`, body);
}

function isMet(need: Need): boolean {
  if (need === 'root') return IS_ROOT;
  return need === 'x86-64' ? process.arch === 'x64' : hasCommand(need);
}
