import { ok } from './checks.ts';
import { isOlder } from './is-older.ts';
import type { Program, Programs } from './machine-types.ts';
import type { Check } from './types.ts';

/** Debian 12's, the oldest that are tested. */
const TESTED: Readonly<Record<string, string>> = { cryptsetup: '2.6', 'mkfs.ext4': '1.47' };

/** What prepares the store's disk. */
export function judgePrograms(programs: Programs): Check {
  const name = 'programs';
  const missing = namesWithout(programs);
  if (missing.length > 0) {
    const remedy = 'add cryptsetup and e2fsprogs to the guest; without them images go to memory';
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

/** Pulls do without; only what runs a bundle is looked for here, as information. */
export function judgeRuntimes(runtimes: Programs): Check {
  const found = describe(runtimes);
  const missing = namesWithout(runtimes);
  return ok('runtimes', found === '' ? `no ${missing.join(', no ')}; pulls need none` : found);
}

/** Nobody has named one: nothing to say. */
export function judgeHelpers(helpers: Programs): readonly Check[] {
  const name = 'credential-helpers';
  if (Object.keys(helpers).length === 0) return [];
  const missing = namesWithout(helpers);
  if (missing.length === 0) return [ok(name, describe(helpers))];
  const remedy = 'install them into a folder of PATH, or take them out of credHelpers and credsStore';
  return [{ name, status: 'fail', detail: `not found: ${missing.join(', ')}`, remedy }];
}

function namesWithout(programs: Programs): readonly string[] {
  return Object.keys(programs).filter((program) => programs[program] === undefined);
}

function describe(programs: Programs): string {
  const found = Object.values(programs).filter((program) => program !== undefined);
  return found.map(({ path, version }) => (version === undefined ? path : `${path} ${version}`)).join(', ');
}
