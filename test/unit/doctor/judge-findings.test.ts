import { describe, expect, it } from 'vitest';
import { EARLIEST_MS } from '../../../src/doctor/judge-clock.ts';
import { judgeFindings } from '../../../src/doctor/judge-findings.ts';
import type { Check, Findings } from '../../../src/doctor/types.ts';
import { HEALTHY_DAEMON } from './daemon-sample.ts';
import { facts, HEALTHY, MIB } from './sample.ts';

const { resources } = HEALTHY;
const TMPFS = 0x01021994;
const OVERLAY = 0x794c7630;
/** The number as statfs(2) returns it in a signed 32-bit integer. */
const SMB_AS_SIGNED = 0xfe534d42 | 0;
const BROKEN = { unusable: 'the kernel says no' };

function check(name: string, change: Partial<Findings>): Check | undefined {
  return judgeFindings({ ...HEALTHY, ...change }).find((each) => each.name === name);
}

describe('judgeFindings', () => {
  it('has a stable list of names, and no complaint about a healthy machine', () => {
    const checks = judgeFindings(HEALTHY);
    expect(checks.map(({ name }) => name)).toEqual([
      ...['kernel', 'root', 'system-calls', 'zlib', 'inflate', 'overlayfs', 'mount-api'],
      ...['memory', 'open-files', 'threads', 'loop-nodes', 'clock', 'runtimes'],
      ...['loop-devices', 'erofs', 'direct-io', 'layer-format', 'user-xattrs', 'trusted-xattrs', 'overlay-upper'],
      ...['data-space', 'data-inodes', 'data-memory', 'state-space'],
      ...['proxy', 'no-proxy', 'resolver', 'registries', 'authfile'],
    ]);
    expect(checks.filter(({ status, remedy }) => status !== 'ok' || remedy !== undefined)).toEqual([]);
  });

  it('groups them, and has those of the daemon last, where it is looked at', () => {
    const checks = judgeFindings({ ...HEALTHY, daemon: HEALTHY_DAEMON });
    const names = checks.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    const groups = checks.map(({ group }) => group);
    expect(groups.filter((group, index) => group !== groups[index - 1])).toEqual([
      ...['machine', 'store', 'network', 'daemon'],
    ]);
    expect(groups[names.indexOf('daemon-configuration')]).toBe('daemon');
    expect(judgeFindings(HEALTHY).map(({ group }) => group)).not.toContain('daemon');
  });

  it.each<[string, Check['status'], Partial<Findings>]>([
    ['kernel', 'fail', { kernelRelease: '5.4.0-generic' }],
    ['kernel', 'warn', { kernelRelease: '5.15.0' }],
    ['root', 'warn', { isRoot: false }],
    ['system-calls', 'fail', { machine: { ...HEALTHY.machine, systemCalls: BROKEN } }],
    ['zlib', 'warn', { inflatesSynchronously: false }],
    ['inflate', 'warn', { inflate: { engine: 'zlib', reason: 'of another version', isRefused: true } }],
    ['overlayfs', 'fail', { machine: { ...HEALTHY.machine, overlay: BROKEN } }],
    ['mount-api', 'warn', { machine: { ...HEALTHY.machine, appendedLowers: BROKEN } }],
    ['loop-devices', 'warn', { layerFormats: { loop: BROKEN, erofs: BROKEN, directIo: false } }],
    ['erofs', 'warn', { layerFormats: { loop: 'usable', erofs: BROKEN, directIo: false } }],
    ['direct-io', 'warn', { layerFormats: { loop: 'usable', erofs: 'usable', directIo: false } }],
    ['layer-format', 'fail', { choice: { refused: 'the kernel says no' } }],
    ['user-xattrs', 'warn', { data: facts('/data', { userXattrs: BROKEN }) }],
    ['trusted-xattrs', 'fail', { data: facts('/data', { trustedXattrs: BROKEN }) }],
    ['data-space', 'warn', { data: facts('/data', { freeBytes: 64 * MIB - 1 }) }],
    ['data-space', 'warn', { data: facts('/data', { sizeBytes: 80 * MIB, freeBytes: 10 * MIB - 1 }) }],
    ['data-space', 'fail', { data: facts('/data', { writable: BROKEN }) }],
    ['state-space', 'warn', { state: facts('/state', { freeBytes: MIB }) }],
    ['state-space', 'fail', { state: facts('/state', { writable: BROKEN }) }],
    ['data-inodes', 'warn', { data: facts('/data', { freeInodes: 100 }) }],
    ['data-memory', 'warn', { data: facts('/data', { fileSystem: TMPFS, freeBytes: 4096 * MIB }) }],
    ['overlay-upper', 'fail', { data: facts('/data', { fileSystem: OVERLAY }) }],
    ['overlay-upper', 'fail', { data: facts('/data', { fileSystem: SMB_AS_SIGNED }) }],
    ['memory', 'warn', { resources: { ...resources, availableMemoryBytes: 100 * MIB } }],
    ['memory', 'warn', { resources: { ...resources, memoryLimitBytes: 149 * MIB } }],
    ['open-files', 'warn', { resources: { ...resources, openFiles: 1_023 } }],
    ['open-files', 'warn', { resources: { ...resources, systemFiles: { used: 999_000, limit: 1_000_000 } } }],
    ['threads', 'warn', { resources: { ...resources, threadsLeft: 20 } }],
    ['loop-nodes', 'warn', { resources: { ...resources, loops: { used: 7, nodes: 8, isManaged: false } } }],
    ['clock', 'fail', { clock: { nowMs: EARLIEST_MS - 1, isSynchronized: true } }],
    ['credential-helpers', 'fail', { credentialHelpers: { 'docker-credential-none': undefined } }],
  ])('%s: %s, with what to do about it', (name, status, change) => {
    expect(check(name, change)).toMatchObject({ status, detail: expect.any(String), remedy: expect.any(String) });
  });

  it.each<[string, Partial<Findings>, string]>([
    [
      'memory',
      { resources: { ...resources, memoryLimitBytes: 150 * MIB } },
      'control group of the doctor allows 150 MiB',
    ],
    ['open-files', { resources: { ...resources, openFiles: undefined } }, 'any number of files'],
    ['threads', { resources: { ...resources, threadsLeft: undefined } }, 'no limit'],
    ['loop-nodes', { resources: { ...resources, loops: { used: 4, nodes: 256, isManaged: false } } }, '252 of 256'],
    ['data-space', { data: facts('/data', { sizeBytes: 80 * MIB, freeBytes: 10 * MIB }) }, '10 MiB free'],
    [
      'data-inodes',
      { data: facts('/data', { freeInodes: undefined }) },
      'the file system makes them when they are needed',
    ],
    ['data-memory', { data: facts('/data', { fileSystem: TMPFS }) }, 'another 1024 MiB, and 2048 MiB'],
    ['data-memory', {}, 'is not in memory'],
    ['clock', { clock: { nowMs: EARLIEST_MS, isSynchronized: false } }, 'the host sets the clock'],
    ['clock', { clock: { nowMs: EARLIEST_MS, isSynchronized: undefined } }, 'Z; in a guest'],
    ['inflate', {}, 'by ISA-L, /usr/lib/libisal.so.2'],
    ['inflate', { inflate: { engine: 'zlib', reason: 'there is none', isRefused: false } }, 'by zlib: there is none'],
    ['runtimes', {}, '/usr/bin/crun 1.8.1'],
    ['runtimes', { runtimes: { crun: undefined, runc: undefined } }, 'no crun, no runc; pulls need none'],
    ['credential-helpers', { credentialHelpers: { h: { path: '/usr/bin/h', version: undefined } } }, '/usr/bin/h'],
  ])('%s has nothing against %o, and says what there is', (name, change, detail) => {
    expect(check(name, change)).toMatchObject({ status: 'ok', detail: expect.stringContaining(detail) });
  });

  it('dates the program after the release before and not into the future', () => {
    expect(EARLIEST_MS).toBeGreaterThan(Date.UTC(2026, 10, 1));
    expect(EARLIEST_MS).toBeLessThanOrEqual(Date.now());
  });

  it.each(['6.1', '6.1.0-56-amd64', '10.0', 'custom'])('has nothing against the kernel %s', (kernelRelease) => {
    expect(check('kernel', { kernelRelease })?.status).toBe('ok');
  });

  it('skips direct I/O where there are no loop devices to have it', () => {
    const layerFormats = { loop: BROKEN, erofs: BROKEN, directIo: false };
    expect(check('direct-io', { layerFormats })?.status).toBe('skipped');
  });

  it('says which format new layers get, and why', () => {
    const choice = { format: 'directory', reason: 'no EROFS' } as const;
    expect(check('layer-format', { choice })).toMatchObject({ status: 'ok', detail: 'directory: no EROFS' });
  });

  it('skips what takes root, and fails nothing for its lack', () => {
    const checks = judgeFindings({ ...HEALTHY, isRoot: false, layerFormats: undefined, choice: undefined });
    const skipped = checks.filter(({ status }) => status === 'skipped').map(({ name }) => name);
    expect(skipped).toEqual([
      ...['overlayfs', 'mount-api', 'loop-devices', 'erofs', 'direct-io', 'layer-format'],
      ...['user-xattrs', 'trusted-xattrs', 'overlay-upper', 'data-space', 'data-inodes', 'data-memory', 'state-space'],
    ]);
    expect(checks.filter(({ status }) => status === 'fail')).toEqual([]);
  });
});
