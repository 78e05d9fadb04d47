import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { release } from 'node:os';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DOCTOR_OPERATIONS, type DoctorOperations, type DoctorPorts, runDoctor } from '../../../src/doctor/index.ts';
import { SealiftError } from '../../../src/errors/index.ts';
import { chooseLayerFormat } from '../../../src/snapshot/index.ts';
import { composeTestCli } from '../../support/beds/test-cli.ts';
import { unmountBelow } from '../../support/machine/mounts.ts';
import { describeWith } from '../../support/machine/needs.ts';
import { Scratch } from '../../support/machine/scratch.ts';
import { expectFailure } from '../../support/matchers.ts';
import { runInline } from '../../support/stores/run-inline.ts';
import { inlineSnapshotRunner } from '../../support/stores/snapshot-fixtures.ts';

const PROBE = { loop: 'usable', erofs: 'usable', directIo: true } as const;

/** Ports without proxies, rules and images: no name is looked up and no server is asked. */
const QUIET_PORTS: DoctorPorts['network'] = {
  view: {
    ...{ proxies: [], exceptions: undefined, registries: { rules: 0, mirrors: 0 } },
    ...{ authfiles: { paths: [], idleHelpers: [] }, hosts: [], images: [] },
  },
  ask: () => Promise.reject(new SealiftError('INTERNAL', 'asked without a question')),
};

let scratch: Scratch;

beforeEach(() => {
  scratch = new Scratch('doctor');
});

afterEach(async () => {
  await unmountBelow(scratch.path);
  scratch[Symbol.dispose]();
});

function ports(change: Partial<DoctorPorts> = {}): DoctorPorts {
  return {
    kernelRelease: release(),
    isRoot: true,
    dataDir: scratch.join('store/data'),
    stateDir: scratch.join('store/state'),
    minFreeBytes: 0,
    runOperation: runInline<DoctorOperations>(DOCTOR_OPERATIONS),
    probeLayerFormats: (directory) => inlineSnapshotRunner()('probeLayerFormats', { directory }),
    chooseLayerFormat: (probe) => chooseLayerFormat(probe),
    canInflateSynchronously: () => true,
    chooseInflate: () => ({ engine: 'isal', path: '/usr/lib/libisal.so.2' }),
    wallNowMs: () => Date.now(),
    network: QUIET_PORTS,
    credentialHelpers: { names: [], path: '' },
    ...change,
  };
}

async function statusOf(change: Partial<DoctorPorts> = {}): Promise<Record<string, string>> {
  const { checks } = await runDoctor(ports(change));
  return Object.fromEntries(checks.map(({ name, status }) => [name, status]));
}

describeWith(['root'], 'runDoctor', () => {
  it('has nothing that fails on a machine that runs these tests, and makes no store', async () => {
    const { checks, layerFormat } = await runDoctor(ports());
    expect(checks.filter(({ status }) => status === 'fail')).toEqual([]);
    expect(checks.find(({ name }) => name === 'layer-format')?.detail).toContain(layerFormat?.format);
    expect(readdirSync(scratch.path)).toEqual([]);
  });

  it('is what sealift doctor does, in its workers', async () => {
    const options = {
      settings: { 'store.root': scratch.join('store') },
      configFile: undefined,
      debug: false,
      ofDaemon: false,
      images: [],
      certDir: undefined,
    };
    const io = { signal: new AbortController().signal, onProgress: () => undefined };
    const { checks } = await composeTestCli().doctor(options, io);
    expect(checks.map(({ name, status }) => [name, status])).toEqual(Object.entries(await statusOf()));
    expect(checks.find(({ name }) => name === 'data-space')?.detail).toContain(scratch.join('store/data'));
  });

  it('leaves an existing store as it is', async () => {
    mkdirSync(scratch.join('store/data/layers'), { recursive: true });
    await runDoctor(ports());
    expect(readdirSync(scratch.join('store/data'))).toEqual(['layers']);
  });

  it('fails on a store that cannot be written to', async () => {
    mkdirSync(scratch.join('store'));
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'ro', 'tmpfs', scratch.join('store')]);
    const status = await statusOf();
    expect(status).toMatchObject({ 'data-space': 'fail', 'state-space': 'fail', 'layer-format': 'ok', erofs: 'warn' });
  });

  it('fails on a store whose file system has no trusted attributes', async () => {
    mkdirSync(scratch.join('store'));
    execFileSync('mount', ['-t', 'ramfs', 'ramfs', scratch.join('store')]);
    expect(await statusOf()).toMatchObject({ 'trusted-xattrs': 'fail', 'user-xattrs': 'warn' });
  });

  it('warns of a tmpfs that may take more than there is, has few inodes, or is small', async () => {
    mkdirSync(scratch.join('store/data'), { recursive: true });
    mkdirSync(scratch.join('store/state'));
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m,nr_inodes=50', 'tmpfs', scratch.join('store/state')]);
    // Nothing is written to the file system, so its promised size costs nothing.
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=100t,nr_inodes=50', 'tmpfs', scratch.join('store/data')]);
    expect(await statusOf()).toMatchObject({
      'data-memory': 'warn',
      'data-inodes': 'warn',
      'data-space': 'ok',
      'state-space': 'warn',
      'overlay-upper': 'ok',
    });
  });

  it('fails on an overlay, which cannot bear the writable layer of another', async () => {
    for (const folder of ['lower', 'upper', 'work', 'store']) mkdirSync(scratch.join(folder));
    const layers = `lowerdir=${scratch.join('lower')},upperdir=${scratch.join('upper')},workdir=${scratch.join('work')}`;
    execFileSync('mount', ['-t', 'overlay', '-o', layers, 'overlay', scratch.join('store')]);
    expect(await statusOf()).toMatchObject({ 'overlay-upper': 'fail' });
  });

  it('warns when less is free than a pull leaves', async () => {
    mkdirSync(scratch.join('store/data'), { recursive: true });
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', scratch.join('store/data')]);
    const minFreeBytes = 64 * 1024 * 1024;
    // An eighth is enough for a small store.
    expect(await statusOf({ minFreeBytes })).toMatchObject({ 'data-space': 'ok', 'state-space': 'ok' });
    writeFileSync(scratch.join('store/data/full'), Buffer.alloc(7.5 * 1024 * 1024));
    expect(await statusOf({ minFreeBytes })).toMatchObject({ 'data-space': 'warn', 'state-space': 'ok' });
  });

  it('says that there is no space, and not that the kernel lacks something', async () => {
    mkdirSync(scratch.join('store/data'), { recursive: true });
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', scratch.join('store/data')]);
    writeFileSync(scratch.join('store/data/full'), Buffer.alloc(8 * 1024 * 1024));
    const { checks } = await runDoctor(ports());
    const found = new Map(checks.map((check) => [check.name, check]));
    expect(found.get('data-space')).toMatchObject({ status: 'fail', detail: expect.stringContaining('no space') });
    expect(found.get('data-space')?.remedy).toContain('sealift prune --all');
    expect(found.get('loop-devices')?.status).toBe('ok');
    expect(found.get('direct-io')).toMatchObject({ status: 'skipped', detail: expect.stringContaining('free space') });
    expect(found.get('erofs')?.detail).not.toContain('ENOSPC');
  });

  it('fails when something else is where the store is to be', async () => {
    writeFileSync(scratch.join('store'), '');
    const { checks } = await runDoctor(ports());
    const check = checks.find(({ name }) => name === 'data-space');
    expect(check).toMatchObject({ status: 'fail', detail: `${scratch.join('store')} is no directory` });
  });
});

describe('runDoctor with what the ports say', () => {
  it('says that configuration asks for what the kernel cannot do', async () => {
    const probeLayerFormats = async () => ({ ...PROBE, erofs: { unusable: 'no such file system' } });
    const report = await runDoctor(
      ports({ probeLayerFormats, chooseLayerFormat: (probe) => chooseLayerFormat(probe, 'erofs') }),
    );
    expect(report.layerFormat).toBeUndefined();
    const check = report.checks.find(({ name }) => name === 'layer-format');
    expect(check).toMatchObject({ status: 'fail', detail: expect.stringContaining('no such file system') });
  });

  it('says that a disk does not answer, and asks no more of it', async () => {
    const asked: string[] = [];
    const runOperation = runInline<DoctorOperations>(DOCTOR_OPERATIONS, ({ kind, request }) => {
      if (kind !== 'examineDirectory') return;
      asked.push(request.path);
      if (request.path === scratch.join('store/data')) {
        throw new SealiftError('STORE_STALLED', 'store: expected an answer');
      }
    });
    const probeLayerFormats = async () => {
      throw new SealiftError('INTERNAL', 'probed a disk that hangs');
    };
    const { checks } = await runDoctor(ports({ runOperation, probeLayerFormats }));
    const status = (name: string) => checks.find((check) => check.name === name)?.status;
    expect([status('data-space'), status('state-space'), status('loop-devices')]).toEqual(['fail', 'ok', 'warn']);
    expect(asked).toEqual([scratch.join('store/data'), scratch.join('store/state')]);
  });

  it('tries no mount as an ordinary user', async () => {
    const probeLayerFormats = async () => {
      throw new SealiftError('INTERNAL', 'probed without root');
    };
    const { layerFormat, checks } = await runDoctor(ports({ isRoot: false, probeLayerFormats }));
    expect(layerFormat).toBeUndefined();
    expect(checks.filter(({ status }) => status === 'fail')).toEqual([]);
  });

  it('lets a bug be a bug', async () => {
    const probeLayerFormats = async () => {
      throw new SealiftError('INTERNAL', 'a bug');
    };
    await expectFailure('INTERNAL', () => runDoctor(ports({ probeLayerFormats })));
  });
});
