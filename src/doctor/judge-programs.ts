import { ok } from './checks.ts';
import { isOlder } from './is-older.ts';
import type { Program, Programs } from './machine-types.ts';
import type { Check } from './types.ts';

/** The versions of Debian 12, the oldest that are tested. */
const TESTED: Readonly<Record<string, string>> = { cryptsetup: '2.6', 'mkfs.ext4': '1.47' };

/** Checks the programs that prepare the store's disk. */
export function judgePrograms(programs: Programs): Check {
  const name = 'programs';
  const missing = namesWithout(programs);
  if (missing.length > 0) {
    const remedy = 'install cryptsetup and e2fsprogs in the guest; without them images go to memory';
    return { name, status: 'warn', detail: `not found: ${missing.join(', ')}`, remedy };
  }
  const detail = describe(programs);
  const old = Object.entries(programs).filter(([program, found]) => isUntested(program, found));
  if (old.length === 0) return ok(name, detail);
  const wanted = old.map(([program]) => `${program} ${TESTED[program]}`);
  return { name, status: 'warn', detail, remedy: `use ${wanted.join(' and ')} or newer: older ones are not tested` };
}

function isUntested(program: string, found: Program | undefined): boolean {
  const tested = TESTED[program];
  return tested !== undefined && found?.version !== undefined && isOlder(found.version, tested);
}

/** Reports the runtimes for bundles. Pulls do not need them. */
export function judgeRuntimes(runtimes: Programs): Check {
  const found = describe(runtimes);
  const missing = namesWithout(runtimes);
  return ok('runtimes', found === '' ? `no ${missing.join(', no ')}; pulls need none` : found);
}

/** Returns no check when no credentials file names a helper. */
export function judgeHelpers(helpers: Programs): readonly Check[] {
  const name = 'credential-helpers';
  if (Object.keys(helpers).length === 0) return [];
  const missing = namesWithout(helpers);
  if (missing.length === 0) return [ok(name, describe(helpers))];
  const remedy = 'install them in a folder of PATH, or remove them from credHelpers and credsStore';
  return [{ name, status: 'fail', detail: `not found: ${missing.join(', ')}`, remedy }];
}

function namesWithout(programs: Programs): readonly string[] {
  return Object.keys(programs).filter((program) => programs[program] === undefined);
}

function describe(programs: Programs): string {
  const found = Object.values(programs).filter((program) => program !== undefined);
  return found.map(({ path, version }) => (version === undefined ? path : `${path} ${version}`)).join(', ');
}
