import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { DOCTOR_OPERATIONS } from '../../../src/doctor/index.ts';
import type { Check } from '../../../src/doctor/types.ts';
import { SealiftError, toPlainError } from '../../../src/errors/index.ts';
import { DEFAULT_LIMITS } from '../../../src/limits/index.ts';
import { openTtrpcServer, type TtrpcServer } from '../../../src/ttrpc/index.ts';
import { composeTestCli } from '../../support/beds/test-cli.ts';
import { hasCommand } from '../../support/machine/commands.ts';
import { memoryFolder } from '../../support/machine/memory-folder.ts';
import { unmountBelow } from '../../support/machine/mounts.ts';
import { describeWith } from '../../support/machine/needs.ts';
import { expectFailure } from '../../support/matchers.ts';
import { startFakeRegistry } from '../../support/registries/fake-registry.ts';

/**
 * What `sealift doctor --daemon` finds without a running daemon: the tests make its configuration, sockets and state.
 */
describeWith(['root'], 'doctor --daemon', () => {
  let memory: string;
  let servers: TtrpcServer[];

  beforeEach(() => {
    memory = mkdtempSync(join(memoryFolder(), 'sealift-doctor-'));
    servers = [];
  });

  afterEach(async () => {
    for (const server of servers) await server.stop(0);
    await unmountBelow(memory);
    rmSync(memory, { recursive: true });
  });

  const inMemory = (...names: string[]) => join(memory, ...names);

  function writeConfig(more = '', sockets = ['cdh.sock']): void {
    const listed = sockets.map((name) => `{ path = "${inMemory(name)}" }`).join(', ');
    writeFileSync(
      inMemory('cdh.toml'),
      `[api]
sockets = [${listed}]
[store]
state = "${inMemory('state')}"
[volume]
devices = []
mount_point = "${inMemory('image')}"
memory_mount_point = "${inMemory('image-memory')}"
${more}`,
    );
  }

  async function serve(name: string): Promise<void> {
    const options = { path: inMemory(name), services: new Map(), limits: DEFAULT_LIMITS, onFault: () => undefined };
    servers.push(await openTtrpcServer(options));
  }

  /** Writes the record that the daemon keeps of a disk, prepared or not. */
  function remember(record: object): void {
    mkdirSync(inMemory('state/volume'), { recursive: true });
    const bootId = execFileSync('cat', ['/proc/sys/kernel/random/boot_id'], { encoding: 'utf8' }).trim();
    const request = { source: { kind: 'deviceId', major: 254, minor: 0 }, mountPoint: inMemory('image') };
    writeFileSync(inMemory('state/volume/volume.json'), JSON.stringify({ format: 1, bootId, request, ...record }));
  }

  async function doctor(...images: readonly string[]): Promise<Record<string, Check>> {
    const configured = { settings: {}, configFile: inMemory('cdh.toml'), debug: false, ofDaemon: true } as const;
    const options = { ...configured, images, certDir: undefined };
    const io = { signal: new AbortController().signal, onProgress: () => undefined };
    const { checks } = await composeTestCli().doctor(options, io);
    return Object.fromEntries(checks.map((check) => [check.name, check]));
  }

  it('finds a daemon that answers on all its sockets, and what it needs', async () => {
    writeConfig('', ['cdh.sock', 'other.sock']);
    await serve('cdh.sock');
    await serve('other.sock');
    const checks = await doctor();
    expect(checks['daemon-sockets']).toMatchObject({
      status: 'ok',
      detail: `sealiftd answers on ${inMemory('cdh.sock')}, ${inMemory('other.sock')}`,
    });
    expect(checks['daemon-configuration']).toMatchObject({ status: 'ok' });
    expect(checks['daemon-store']).toMatchObject({
      status: 'ok',
      detail: expect.stringContaining(`memory at ${inMemory('image-memory')}`),
    });
    expect(checks['programs']?.status).toMatch(/^(ok|warn)$/);
    for (const name of ['launch-timeout', 'mount-timeout', 'pull-timeout']) expect(checks[name]?.status).toBe('ok');
    // The directories are those of the daemon's configuration.
    expect(checks['data-space']?.detail).toContain(inMemory('image-memory/store'));
  });

  it.each([
    ['has an unknown setting', '[store]\nunknown = 1\n', 'store.unknown: unknown setting', 'config/sealiftd.toml'],
    ['is absent', undefined, 'cannot be read', 'check the path given with -c'],
  ])('says that the file %s, and goes on with the default settings', async (_, text, reason, remedy) => {
    if (text !== undefined) writeFileSync(inMemory('cdh.toml'), text);
    const checks = await doctor();
    expect(checks['daemon-configuration']).toMatchObject({
      status: 'fail',
      detail: expect.stringMatching(
        new RegExp(
          `^pulls are refused: .*${reason} \\[CONFIG_FILE_INVALID\\]; the other checks are those of the default`,
        ),
      ),
      remedy: expect.stringContaining(remedy),
    });
    expect(checks['daemon-sockets']?.detail).toContain('/run/');
    expect(checks['dm-crypt']?.status).toMatch(/^(ok|warn)$/);
  });

  it('tells of a daemon that does not run without calling that a failure', async () => {
    writeConfig();
    expect((await doctor())['daemon-sockets']).toMatchObject({
      status: 'warn',
      detail: `${inMemory('cdh.sock')} does not exist: no daemon serves it`,
    });
  });

  it('tells of a socket that others may use, and of a file in the place of one', async () => {
    writeConfig('', ['cdh.sock']);
    await serve('cdh.sock');
    chmodSync(inMemory('cdh.sock'), 0o666);
    expect((await doctor())['daemon-sockets']).toMatchObject({
      status: 'warn',
      detail: expect.stringContaining('0666'),
    });
    writeConfig('', ['cdh.sock', 'file']);
    writeFileSync(inMemory('file'), '');
    expect((await doctor())['daemon-sockets']).toMatchObject({
      status: 'fail',
      detail: `${inMemory('file')} is not a socket`,
    });
  });

  it('says what keeps pulls from being served with this configuration', async () => {
    writeConfig('[image]\nsigstore_config_uri = "kbs:///default/sigstore/1"\n');
    expect((await doctor())['daemon-configuration']).toMatchObject({
      status: 'fail',
      detail: expect.stringContaining('sigstore_config_uri'),
      remedy: expect.stringContaining('name it in image.sigstore_config_uri as file:///path'),
    });
    writeConfig('[image]\nunheard_of = 1\n');
    expect((await doctor())['daemon-configuration']).toMatchObject({
      status: 'warn',
      detail: expect.stringContaining('image.unheard_of'),
    });
  });

  it('looks at the way to the registries as the daemon would go it', async () => {
    const registry = await startFakeRegistry();
    try {
      writeFileSync(inMemory('auth.json'), JSON.stringify({ credsStore: 'pass', auths: {} }));
      writeConfig(`[image]
authenticated_registry_credentials_uri = "file://${inMemory('auth.json')}"
[[image.registry_config.registry]]
location = "${registry.host}"
insecure = true
[image.image_pull_proxy]
https_proxy = "http://proxy.invalid:3128"
`);
      const checks = await doctor(`${registry.host}/app:1`);
      expect(checks['authfile']).toMatchObject({
        status: 'warn',
        detail: expect.stringContaining('not run here: docker-credential-pass'),
      });
      expect(checks['proxy']?.detail).toBe(`pull.proxy.https proxy.invalid:3128 (file ${inMemory('cdh.toml')})`);
      expect(checks['registry']).toMatchObject({ status: 'ok', subject: registry.host });
      expect(checks['name-lookup']).toMatchObject({ status: 'fail', subject: 'proxy.invalid' });
      expect(registry.requests.map(({ url }) => url)).toEqual(['/v2/']);
    } finally {
      await registry.close();
    }
  });

  it('goes on with the default settings, where store status ends with the error of the file', async () => {
    writeConfig('[api\n');
    expect((await doctor())['daemon-configuration']?.detail).toContain('[CONFIG_FILE_INVALID]');
    const configured = { settings: {}, configFile: inMemory('cdh.toml'), debug: false } as const;
    const io = { signal: new AbortController().signal, onProgress: () => undefined };
    await expectFailure('CONFIG_FILE_INVALID', () => composeTestCli().storeStatus(configured, io));
  });

  it('tells what the daemon has remembered of a device that failed', async () => {
    const error = toPlainError(new SealiftError('VOLUME_DEVICE_INVALID', 'image store: 254:0: expected a whole disk'));
    writeConfig();
    remember({ state: 'failed', error });
    expect((await doctor())['daemon-store']).toMatchObject({
      status: 'fail',
      detail: expect.stringContaining('expected a whole disk'),
      remedy: error.hint,
    });
    writeConfig('required = false\n');
    expect((await doctor())['daemon-store']).toMatchObject({
      status: 'warn',
      detail: expect.stringContaining(`memory at ${inMemory('image-memory')}`),
    });
  });

  it('makes nothing: no state, no store, no mount', async () => {
    writeConfig();
    await doctor();
    const left = execFileSync('find', [memory, '-mindepth', '1'], { encoding: 'utf8' }).trim();
    expect(left).toBe(inMemory('cdh.toml'));
  });

  it('reads a plain file as the agent’s, and nothing that would hold it up', () => {
    const read = (path: string) => DOCTOR_OPERATIONS.readAgentFile({ path });
    writeFileSync(inMemory('agent.toml'), 'log_level = "info"\n');
    expect(read(inMemory('agent.toml'))).toBe('log_level = "info"\n');
    execFileSync('mkfifo', [inMemory('fifo')]);
    expect([read(inMemory('fifo')), read('/dev/zero'), read(memory), read(inMemory('none'))]).toEqual(
      Array(4).fill(undefined),
    );
  });

  it('finds programs where the daemon runs them from, and no others, and asks for versions', () => {
    const names = ['sh', 'mkfs.ext4', 'no-such-program'];
    const found = DOCTOR_OPERATIONS.examinePrograms({ names });
    expect(found).toEqual({
      // The doctor does not run a program that is not known to print its version.
      sh: { path: expect.stringMatching(/^\/.*\/sh$/), version: undefined },
      'mkfs.ext4': hasCommand('mkfs.ext4')
        ? { path: expect.stringMatching(/\/mkfs\.ext4$/), version: expect.stringMatching(/^1\.[0-9.]+$/) }
        : undefined,
      'no-such-program': undefined,
    });
    const elsewhere = DOCTOR_OPERATIONS.examinePrograms({ names, path: `relative:${memory}` });
    expect(elsewhere).toEqual({ sh: undefined, 'mkfs.ext4': undefined, 'no-such-program': undefined });
  });

  it('looks at the bounds of the process that listens on the socket, and at its own without one', async () => {
    await serve('cdh.sock');
    const examine = (socketPath: string | undefined) => DOCTOR_OPERATIONS.examineResources({ socketPath });
    expect(examine(inMemory('cdh.sock'))).toMatchObject({ of: 'daemon', openFiles: expect.any(Number) });
    expect(examine('/nonexistent/cdh.sock')).toMatchObject({ of: 'doctor' });
    expect(examine(undefined)).toMatchObject({
      of: 'doctor',
      availableMemoryBytes: expect.any(Number),
      systemFiles: { used: expect.any(Number), limit: expect.any(Number) },
      threadsLeft: expect.any(Number),
      loops: { used: expect.any(Number), nodes: expect.any(Number), isManaged: expect.any(Boolean) },
    });
  });

  it('tells which abilities this kernel has, and loads nothing for it', () => {
    // A kernel without modules has no list of them either.
    const modules = () => (existsSync('/proc/modules') ? readFileSync('/proc/modules', 'utf8').split('\n').length : 0);
    const before = modules();
    const release = execFileSync('uname', ['-r'], { encoding: 'utf8' }).trim();
    const abilities = DOCTOR_OPERATIONS.examineKernel({ release });
    expect(Object.keys(abilities as object)).toEqual(['dm-crypt', 'dm-integrity', 'dm-verity', 'aegis128']);
    for (const ability of Object.values(abilities as object)) expect(ability).toMatch(/^(ready|loadable|absent)$/);
    expect(modules()).toBe(before);
  });
});
