import { chmodSync, chownSync, lstatSync, mkdirSync } from 'node:fs';
import { readFacts } from '../layer-facts/index.ts';
import { PlanMemory, PlanSteps } from '../limits/index.ts';
import { errnoOf, lgetxattr, llistxattr, lsetxattr, lutimes, type SystemPath } from '../platform/index.ts';
import { openLayerNodes } from './layer-directory.ts';
import { ROOT } from './path.ts';
import { planUpper } from './plan-upper.ts';
import { reachInside } from './reach-inside.ts';
import type { PreparedUpper, UpperDirectory, UpperToPrepare } from './types.ts';

const NANOSECONDS = 1_000_000_000n;
const OVERLAY_XATTR = /^(trusted|user)\.overlay\./;

/** Carries out {@link planUpper} in an empty upper that no other program can reach. */
export function prepareUpper({ layers, upper, steps: budget, maxPlanBytes }: UpperToPrepare): PreparedUpper {
  const steps = new PlanSteps(budget);
  const stacked = layers.map(({ directory, facts }) => {
    return { ...openLayerNodes(directory, steps), implied: () => readFacts(facts).implied };
  });
  const plan = planUpper(stacked, new PlanMemory({ maxPlanBytes }));
  const withPaths = <Result>({ path, source }: UpperDirectory, use: UsePaths<Result>): Result =>
    reachInside(upper, path, (target) => {
      const layer = source === undefined ? undefined : layers[source];
      return layer === undefined ? use(target, undefined) : reachInside(layer.directory, path, (at) => use(target, at));
    });
  // All are created before any gets its attributes, because the next one would inherit a default ACL.
  plan.each(({ path }) => {
    if (path !== ROOT) reachInside(upper, path, (target) => mkdirSync(target, { mode: 0o700 }));
  });
  let directories = 0;
  let droppedXattrs = 0;
  plan.each((each) => {
    directories += 1;
    droppedXattrs += withPaths(each, (target, from) => (from ? copyAttributes(from, target) : setDefaults(target)));
  });
  // Creating a child changes the mtime of its parent, so times are set last.
  plan.each((each) => withPaths(each, setTimes));
  return { directories, droppedXattrs };
}

/** `from` is undefined for a directory that gets the defaults. */
type UsePaths<Result> = (target: SystemPath, from: SystemPath | undefined) => Result;

function setDefaults(target: SystemPath): number {
  chmodSync(target, 0o755);
  return 0;
}

function copyAttributes(from: SystemPath, target: SystemPath): number {
  const { uid, gid, mode } = lstatSync(from);
  chownSync(target, uid, gid);
  let dropped = 0;
  for (const name of llistxattr(from)) {
    if (OVERLAY_XATTR.test(name.toString('latin1'))) continue;
    const value = lgetxattr(from, name);
    if (value !== undefined && !trySetXattr(target, name, value)) dropped += 1;
  }
  // The mode is set last, because chown clears setuid and setgid. An access ACL already agrees with these bits.
  chmodSync(target, mode & 0o7777);
  return dropped;
}

/** Returns false when the upper's file system cannot hold the attribute; tmpfs holds `user.*` since Linux 6.6. */
function trySetXattr(target: SystemPath, name: Buffer, value: Buffer): boolean {
  try {
    lsetxattr(target, name, value);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'ENOTSUP') return false;
    throw error;
  }
}

function setTimes(target: SystemPath, from: SystemPath | undefined): void {
  const mtimeNs = from === undefined ? 0n : lstatSync(from, { bigint: true }).mtimeNs;
  const nanoseconds = ((mtimeNs % NANOSECONDS) + NANOSECONDS) % NANOSECONDS;
  lutimes(target, Number((mtimeNs - nanoseconds) / NANOSECONDS), Number(nanoseconds));
}
