import { existsSync } from 'node:fs';
import { describe } from 'vitest';
import { isalCandidates } from '../../../src/layer/decompress/choose-inflate.ts';
import { hasCommand, IS_ROOT } from './commands.ts';

/** `root`, `x86-64`, `libisal` or a command. */
export type Need = string;

/** A `describe` that is skipped, with the reason in its title, where something it needs is missing. */
export function describeWith(needs: readonly Need[], title: string, body: () => void): void {
  const lacking = needs.filter((need) => !isMet(need));
  const suffix = lacking.length === 0 ? '' : ` (skipped: needs ${lacking.join(', ')})`;
  describe.skipIf(lacking.length > 0)(`${title}${suffix}`, body);
}

function isMet(need: Need): boolean {
  if (need === 'root') return IS_ROOT;
  if (need === 'libisal') return process.arch === 'x64' && isalCandidates().some((path) => existsSync(path));
  return need === 'x86-64' ? process.arch === 'x64' : hasCommand(need);
}
