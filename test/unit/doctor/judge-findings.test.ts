import { describe, expect, it } from 'vitest';
import { judgeFindings } from '../../../src/doctor/judge-findings.ts';
import type { Check, Findings, PlaceFacts } from '../../../src/doctor/types.ts';
import { HEALTHY_DAEMON } from './daemon-sample.ts';

const MIB = 1024 * 1024;
const BROKEN = { unusable: 'the kernel says no' };

function place(path: string, change: Partial<PlaceFacts> = {}): PlaceFacts {
  const usable = { writable: 'usable', userXattrs: 'usable', trustedXattrs: 'usable' } as const;
  return { path, examined: path, freeBytes: 1024 * MIB, ...usable, ...change };
}

const HEALTHY: Findings = {
  kernelRelease: '6.12.48+deb13-amd64',
  isRoot: true,
  minFreeBytes: 64 * MIB,
  machine: { systemCalls: 'usable', overlay: 'usable', appendedLowers: 'usable' },
  data: place('/data'),
  state: place('/state'),
  layerFormats: { loop: 'usable', erofs: 'usable', directIo: true },
  choice: { format: 'erofs', reason: 'because' },
  inflatesSynchronously: true,
  daemon: undefined,
};

function check(name: string, change: Partial<Findings>): Check | undefined {
  return judgeFindings({ ...HEALTHY, ...change }).find((each) => each.name === name);
}

describe('judgeFindings', () => {
  it('has a stable list of names, and no complaint about a healthy machine', () => {
    const checks = judgeFindings(HEALTHY);
    expect(checks.map(({ name }) => name)).toEqual([
      ...['kernel', 'root', 'system-calls', 'zlib', 'overlayfs', 'mount-api'],
      ...['loop-devices', 'erofs', 'direct-io', 'layer-format'],
      ...['user-xattrs', 'trusted-xattrs', 'data-space', 'state-space'],
    ]);
    expect(checks.filter(({ status, remedy }) => status !== 'ok' || remedy !== undefined)).toEqual([]);
  });

  it('has those of the daemon behind the others, where it is looked at', () => {
    const names = judgeFindings({ ...HEALTHY, daemon: HEALTHY_DAEMON }).map(({ name }) => name);
    expect(names).toHaveLength(14 + 11);
    expect(new Set(names).size).toBe(names.length);
    expect(names.indexOf('daemon-configuration')).toBe(14);
  });

  it.each<[string, Check['status'], Partial<Findings>]>([
    ['kernel', 'fail', { kernelRelease: '5.4.0-generic' }],
    ['kernel', 'warn', { kernelRelease: '5.15.0' }],
    ['root', 'warn', { isRoot: false }],
    ['system-calls', 'fail', { machine: { ...HEALTHY.machine, systemCalls: BROKEN } }],
    ['zlib', 'warn', { inflatesSynchronously: false }],
    ['overlayfs', 'fail', { machine: { ...HEALTHY.machine, overlay: BROKEN } }],
    ['mount-api', 'warn', { machine: { ...HEALTHY.machine, appendedLowers: BROKEN } }],
    ['loop-devices', 'warn', { layerFormats: { loop: BROKEN, erofs: BROKEN, directIo: false } }],
    ['erofs', 'warn', { layerFormats: { loop: 'usable', erofs: BROKEN, directIo: false } }],
    ['direct-io', 'warn', { layerFormats: { loop: 'usable', erofs: 'usable', directIo: false } }],
    ['layer-format', 'fail', { choice: { refused: 'the kernel says no' } }],
    ['user-xattrs', 'warn', { data: place('/data', { userXattrs: BROKEN }) }],
    ['trusted-xattrs', 'fail', { data: place('/data', { trustedXattrs: BROKEN }) }],
    ['data-space', 'warn', { data: place('/data', { freeBytes: 64 * MIB - 1 }) }],
    ['data-space', 'fail', { data: place('/data', { writable: BROKEN }) }],
    ['state-space', 'warn', { state: place('/state', { freeBytes: MIB }) }],
    ['state-space', 'fail', { state: place('/state', { writable: BROKEN }) }],
  ])('%s: %s, with what to do about it', (name, status, change) => {
    expect(check(name, change)).toMatchObject({ status, detail: expect.any(String), remedy: expect.any(String) });
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
      ...['user-xattrs', 'trusted-xattrs', 'data-space', 'state-space'],
    ]);
    expect(checks.filter(({ status }) => status === 'fail')).toEqual([]);
  });
});
