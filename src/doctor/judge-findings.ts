import { formatShortage, type Usability } from '../platform/index.ts';
import { judge, ok, skipped } from './checks.ts';
import { isOlder } from './is-older.ts';
import { judgeClock } from './judge-clock.ts';
import { judgeDaemon } from './judge-daemon.ts';
import { judgeBacking, judgeInodes, judgeUpper } from './judge-directory.ts';
import { judgeNetwork } from './judge-network.ts';
import { judgeHelpers, judgeRuntimes } from './judge-programs.ts';
import { judgeResources } from './judge-resources.ts';
import {
  CHECK_GROUPS,
  type Check,
  type CheckGroup,
  type DirectoryFacts,
  type Findings,
  type ReportedCheck,
} from './types.ts';

const MIB = 1024 * 1024;
/** The first kernel with openat2(2), which the user names of an image are looked up with. */
const OLDEST_KERNEL = '5.6';
/** The kernel of Debian 12, the oldest that is tested. */
const TESTED_KERNEL = '6.1';
/** The store keeps at most an eighth of its size free. */
const MAX_RESERVE_SHARE = 8;
/** Enough for records, documents and mount points of a few images. */
const MIN_STATE_BYTES = 16 * MIB;

/** Returns every check; within a group in the order in which they depend on each other. */
export function judgeFindings(findings: Findings): readonly ReportedCheck[] {
  const groups: Readonly<Record<CheckGroup, readonly Check[]>> = {
    machine: judgeMachine(findings),
    store: judgeStore(findings),
    network: [...judgeHelpers(findings.credentialHelpers), ...judgeNetwork(findings.network)],
    daemon: findings.daemon === undefined ? [] : judgeDaemon(findings.daemon),
  };
  return CHECK_GROUPS.flatMap((group) => groups[group].map((check) => ({ ...check, group })));
}

function judgeMachine(findings: Findings): readonly Check[] {
  return [
    judgeKernel(findings.kernelRelease),
    judgeRoot(findings.isRoot),
    ...judgeRuntime(findings),
    ...judgeMounts(findings),
    ...judgeResources(findings),
    judgeClock(findings),
    judgeRuntimes(findings.runtimes),
  ];
}

function judgeStore(findings: Findings): readonly Check[] {
  const { isRoot, data, state, minFreeBytes, resources } = findings;
  return [
    ...judgeLayerImages(findings),
    ...judgeXattrs(findings),
    isRoot ? judgeUpper(data) : skipped('overlay-upper'),
    judgeSpace(data, { name: 'data-space', minBytes: reserveOf(data, minFreeBytes) }, findings),
    isRoot ? judgeInodes(data) : skipped('data-inodes'),
    isRoot ? judgeBacking(data, resources.availableMemoryBytes) : skipped('data-memory'),
    judgeSpace(state, { name: 'state-space', minBytes: MIN_STATE_BYTES }, findings),
  ];
}

/** Returns the bytes that a pull leaves free; less in a small store. */
function reserveOf({ sizeBytes }: DirectoryFacts, minFreeBytes: number): number {
  return Math.min(minFreeBytes, Math.floor(sizeBytes / MAX_RESERVE_SHARE));
}

function judgeKernel(release: string): Check {
  const name = 'kernel';
  const remedy = `use Linux ${TESTED_KERNEL} or newer`;
  if (isOlder(release, OLDEST_KERNEL)) return { name, status: 'fail', detail: `${release} has no openat2`, remedy };
  if (isOlder(release, TESTED_KERNEL)) return { name, status: 'warn', detail: `${release} is not tested`, remedy };
  return ok(name, release);
}

function judgeRoot(isRoot: boolean): Check {
  if (isRoot) return ok('root', 'runs as root');
  const detail = 'not root: only pull --unpack and inspect work';
  return { name: 'root', status: 'warn', detail, remedy: 'run as root to store layers and mount bundles' };
}

function judgeRuntime({ machine, inflatesSynchronously, inflate }: Findings): readonly Check[] {
  const zlib: Check = inflatesSynchronously
    ? ok('zlib', 'inflates synchronously')
    : {
        name: 'zlib',
        status: 'warn',
        detail: 'inflates through streams, at about a quarter of the speed',
        remedy: 'run the Node that Sealift was built for',
      };
  const calls = judge('system-calls', machine.systemCalls, {
    otherwise: 'fail',
    usable: 'node:ffi reaches the kernel',
    remedy: 'run the Node that Sealift was built for, on a machine that allows these system calls',
  });
  return [calls, zlib, judgeInflate(inflate)];
}

function judgeInflate(inflate: Findings['inflate']): Check {
  const name = 'inflate';
  if (inflate.engine === 'isal') return ok(name, `gzip is inflated by ISA-L, ${inflate.path}`);
  const detail = `gzip is inflated by zlib: ${inflate.reason}`;
  if (!inflate.isRefused) return ok(name, detail);
  return {
    name,
    status: 'warn',
    detail,
    remedy: 'install libisal 2.30 (Debian: libisal2), or set pull.inflate to zlib',
  };
}

function judgeMounts({ isRoot, machine }: Findings): readonly Check[] {
  if (!isRoot) return [skipped('overlayfs'), skipped('mount-api')];
  return [
    judge('overlayfs', machine.overlay, {
      otherwise: 'fail',
      usable: 'the kernel has overlayfs',
      remedy: 'load the kernel module overlay, or use a kernel that has it',
    }),
    judge('mount-api', machine.appendedLowers, {
      otherwise: 'warn',
      usable: 'lower directories are added one by one (lowerdir+)',
      remedy:
        'use Linux 6.5 or newer to add lower directories one by one; images of 500 layers can be mounted without it as well',
    }),
  ];
}

function judgeLayerImages({ layerFormats, choice }: Findings): readonly Check[] {
  if (layerFormats === undefined || choice === undefined) {
    return ['loop-devices', 'erofs', 'direct-io', 'layer-format'].map(skipped);
  }
  const { loop, erofs, directIo } = layerFormats;
  const remedy = 'layers are kept as directories, which takes longer; to avoid it ';
  return [
    judge('loop-devices', loop, {
      otherwise: 'warn',
      usable: 'files can be attached to loop devices',
      remedy: `${remedy}load the module loop`,
    }),
    judge('erofs', erofs, {
      otherwise: 'warn',
      usable: 'images can be mounted, with attributes, ACLs and security labels',
      remedy: `${remedy}use a kernel with EROFS, its attributes, ACLs and security labels`,
    }),
    judgeDirectIo(loop, directIo),
    'refused' in choice
      ? { name: 'layer-format', status: 'fail', detail: choice.refused, remedy: 'set store.layer_format to auto' }
      : ok('layer-format', `${choice.format}: ${choice.reason}`),
  ];
}

function judgeDirectIo(loop: Usability, directIo: boolean | undefined): Check {
  const name = 'direct-io';
  if (loop !== 'usable') return { name, status: 'skipped', detail: 'needs loop devices', remedy: undefined };
  if (directIo === undefined) return needsSpace(name);
  if (directIo) return ok(name, 'layers are in the page cache once');
  const detail = 'the file system of the data directory does not support it: layers are in the page cache twice';
  return { name, status: 'warn', detail, remedy: 'put the data directory on ext4 or xfs' };
}

function judgeXattrs({ isRoot, data }: Findings): readonly Check[] {
  if (!isRoot) return [skipped('user-xattrs'), skipped('trusted-xattrs')];
  if (data.lacks !== undefined) return [needsSpace('user-xattrs'), needsSpace('trusted-xattrs')];
  const remedy = 'put the data directory on ext4, xfs, or tmpfs of Linux 6.6';
  const usable = `${data.examined} supports them`;
  return [
    judge('user-xattrs', data.userXattrs, {
      otherwise: 'warn',
      usable,
      remedy,
    }),
    judge('trusted-xattrs', data.trustedXattrs, {
      otherwise: 'fail',
      usable,
      remedy,
    }),
  ];
}

/** Returns a check that a full file system leaves open. */
function needsSpace(name: string): Check {
  return { name, status: 'skipped', detail: 'needs free space in the data directory', remedy: undefined };
}

function judgeSpace(
  { path, examined, writable, freeBytes, freeInodes, lacks }: DirectoryFacts,
  { name, minBytes }: { readonly name: string; readonly minBytes: number },
  { isRoot, daemon }: Findings,
): Check {
  if (!isRoot) return skipped(name);
  const orElse = daemon === undefined ? 'choose another --store' : 'see the check daemon-store';
  if (lacks !== undefined) {
    const left = formatShortage({
      resource: lacks,
      availableBytes: freeBytes,
      ...(freeInodes !== undefined && { freeInodes }),
    });
    const detail = `no space: the file system of ${examined} has ${left} left`;
    return {
      name,
      status: 'fail',
      detail,
      remedy: `remove images (sealift prune --all), make it larger, or ${orElse}`,
    };
  }
  if (writable !== 'usable') {
    return {
      name,
      status: 'fail',
      detail: writable.unusable,
      remedy: `make ${examined} writable, or ${orElse}`,
    };
  }
  const detail = `${Math.floor(freeBytes / MIB)} MiB free in ${path}`;
  if (freeBytes >= minBytes) return ok(name, detail);
  return {
    name,
    status: 'warn',
    detail,
    remedy: `free space until there are ${Math.ceil(minBytes / MIB)} MiB, or ${orElse}`,
  };
}
