import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { hashBytes } from '../../src/oci/index.ts';
import { TestBed } from '../support/beds/test-bed.ts';
import type { BuiltImage } from '../support/builders/image-builder.ts';
import { buildSmallImage } from '../support/builders/small-image.ts';
import { mustRun } from '../support/machine/commands.ts';
import { memoryFolder } from '../support/machine/memory-folder.ts';
import { unmountBelow } from '../support/machine/mounts.ts';
import { describeWith } from '../support/machine/needs.ts';
import { runSealift } from '../support/programs/sealift-command.ts';
import { RegistryPusher } from '../support/registries/registry-pusher.ts';
import { artifactBytes, CONFIG_TYPE, MANIFEST_TYPE } from '../support/signatures/attachment-world.ts';
import { makeSigner, payloadFor, signPayload, type TestSigner } from '../support/signatures/sigstore-builder.ts';

const SEALIFTD = fileURLToPath(new URL('../../dist/sealiftd', import.meta.url));
const REJECT_ALL = `image_security_policy = '{"default":[{"type":"reject"}]}'`;

/** The built daemon on this machine: everything but a device. */
describeWith(['root', 'docker-registry'], 'sealiftd', () => {
  let bed: TestBed;
  let image: BuiltImage;
  /** The state has to lie in memory. */
  let memory: string;
  let daemon: ChildProcess | undefined;
  let lines: string[];

  beforeEach(async () => {
    bed = await TestBed.open();
    image = await buildSmallImage(bed.scratch.path);
    await bed.push('small', 'latest', image);
    memory = mkdtempSync(join(memoryFolder(), 'sealiftd-'));
    mkdirSync(inMemory('bundles'));
  });

  afterEach(async () => {
    if (daemon?.exitCode === null && daemon.signalCode === null) {
      daemon.kill('SIGKILL');
      await new Promise((resolve) => daemon?.once('exit', resolve));
    }
    await unmountBelow(memory);
    rmSync(memory, { recursive: true });
    await bed[Symbol.asyncDispose]();
  });

  const inMemory = (...names: string[]) => join(memory, ...names);
  const socket = () => inMemory('cdh.sock');
  const writeConfig = (image_ = '') =>
    writeFileSync(
      inMemory('cdh.toml'),
      `[api]
sockets = [{ path = "${socket()}", services = ["api.ImagePullService"] }]
bundle_roots = ["${inMemory('bundles')}"]
ready_file = "${inMemory('ready')}"
aa_socket = "${inMemory('aa.sock')}"
[store]
state = "${inMemory('state')}"
[volume]
devices = []
mount_point = "${inMemory('image')}"
memory_mount_point = "${inMemory('image-memory')}"
memory_size = 268435456
[pull]
tls_verify = false
[image]
${image_}
`,
    );

  async function start(environment: Record<string, string> = {}): Promise<void> {
    const child = spawn(SEALIFTD, ['-c', inMemory('cdh.toml')], {
      env: { PATH: process.env['PATH'], ...environment },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    daemon = child;
    lines = [];
    createInterface({ input: child.stderr }).on('line', (line) => lines.push(line));
    await expect.poll(() => existsSync(socket())).toBe(true);
  }

  const ended = () => new Promise<number | null>((resolve) => daemon?.once('exit', resolve));
  const said = (message: string) => lines.some((line) => line.includes(`"msg":"${message}"`));
  const ask = (bundle: string) =>
    runSealift([
      'pull',
      '--socket',
      socket(),
      '--bundle',
      inMemory('bundles', bundle),
      bed.reference(`small@${image.top.digest}`),
    ]);

  it('serves what the agent asks for, and leaves nothing but what is mounted when it is told to stop', async () => {
    writeConfig();
    await start();
    // The daemon writes the file after it has opened the socket.
    await expect
      .poll(() => existsSync(inMemory('ready')) && readFileSync(inMemory('ready'), 'utf8'))
      .toBe(`${daemon?.pid}\n`);
    await expect.poll(() => said('daemon ready')).toBe(true);
    expect(lines.slice(0, 2).map((line) => JSON.parse(line).msg)).toEqual(['socket open', 'daemon ready']);
    const { error, result } = await ask('c1');
    expect(error).toBeUndefined();
    expect(result['manifestDigest']).toBe(image.manifest.digest);
    expect(existsSync(inMemory('bundles/c1/config.json'))).toBe(true);
    expect(said('image not measured')).toBe(true);
    const ofDaemon = ['--daemon', '-c', inMemory('cdh.toml')];
    const listed = await runSealift(['images', ...ofDaemon]);
    expect(listed.result['images']).toMatchObject([{ manifestDigest: image.manifest.digest }]);
    // It runs.
    expect((await runSealift(['rm', image.manifest.digest, ...ofDaemon])).error?.code).toBe('STORE_IMAGE_IN_USE');
    daemon?.kill('SIGTERM');
    expect(await ended()).toBe(0);
    expect([existsSync(socket()), existsSync(inMemory('ready'))]).toEqual([false, false]);
    expect(readFileSync('/proc/self/mountinfo', 'latin1')).toContain(inMemory('bundles/c1/rootfs'));
  });

  it('keeps layers when containers are gone, until they are pruned, and then has all the room back', async () => {
    writeConfig();
    await start();
    const ofDaemon = ['--daemon', '-c', inMemory('cdh.toml')];
    // Before a store exists, the command does not create one.
    expect((await runSealift(['prune', ...ofDaemon])).error?.code).toBe('STORE_INVALID');
    expect((await ask('c1')).error).toBeUndefined();
    const layers = () => readdirSync(inMemory('image-memory/store/layers'));
    expect(layers()).not.toEqual([]);
    await unmountBelow(inMemory('bundles'));
    await expect.poll(() => readdirSync(inMemory('image-memory/store/uppers'))).toEqual([]);
    expect((await runSealift(['prune', ...ofDaemon])).result['images']).toEqual([]);
    expect(layers()).not.toEqual([]);
    expect((await runSealift(['prune', '--all', ...ofDaemon])).result['images']).toEqual([image.manifest.digest]);
    expect(layers()).toEqual([]);
    expect((await ask('c2')).error).toBeUndefined();
  });

  it('goes by the new configuration after SIGHUP, and keeps the old one when the new one is wrong', async () => {
    writeConfig();
    await start();
    writeConfig(REJECT_ALL);
    daemon?.kill('SIGHUP');
    await expect.poll(() => said('configuration reloaded')).toBe(true);
    const refused = await ask('c1');
    expect(refused.error).toMatchObject({ code: 'POLICY_DENIED', kind: 'denied' });
    writeFileSync(inMemory('cdh.toml'), '[image\n');
    daemon?.kill('SIGHUP');
    await expect.poll(() => said('configuration refused, the previous one stays')).toBe(true);
    expect((await ask('c2')).error?.code).toBe('POLICY_DENIED');
  });

  it('says over its socket why a signature does not count, and neither fetches a layer nor writes a bundle', async () => {
    const [signer, stranger] = [makeSigner(), makeSigner()];
    const { content, ...layer } = signPayload(stranger, payloadFor(image.top.digest, 'signed.invalid/small'));
    const bytes = Buffer.from(content);
    const manifest = artifactBytes({ layers: [{ ...layer, bytes }], configType: CONFIG_TYPE });
    const pusher = new RegistryPusher(bed.registry.url, 'small');
    for (const blob of [bytes, Buffer.from('{}')]) {
      await pusher.pushBlob(hashBytes(blob), blob.length, () => Readable.from([blob]));
    }
    const tag = `${image.top.digest.replace(':', '-')}.sig`;
    await pusher.pushManifest(tag, { bytes: manifest, mediaType: MANIFEST_TYPE });
    const requirement = ({ publicKey }: TestSigner) => ({
      ...{ type: 'sigstoreSigned', signedIdentity: { type: 'digestOnly' } },
      keyData: Buffer.from(publicKey).toString('base64'),
    });
    const scope = `${bed.proxy.host}/small`;
    const policyOf = (by: TestSigner) =>
      JSON.stringify({ default: [{ type: 'reject' }], transports: { docker: { [scope]: [requirement(by)] } } });
    writeConfig(`image_security_policy = '${policyOf(signer)}'`);
    await start();
    const { code, error } = await ask('c1');
    expect([code, error?.code, error?.kind]).toEqual([3, 'POLICY_DENIED', 'denied']);
    const { message = '' } = error ?? {};
    expect(message).toMatch(/^\[CDH\] \[ERROR\]: Image Pull error: Image policy rejected: Denied by policy: /);
    expect(message).toContain(`policy, scope "${scope}": requirement "sigstoreSigned" with keyData: `);
    expect(message).toContain(`${bed.proxy.host}/small:${tag}, layer 1: it is not by the key of the requirement`);
    expect(error?.hint).toContain('list its public key as well (keyPaths, keyDatas)');
    const fetched = () =>
      image.layers.filter(({ digest }) => bed.proxy.requests.some(({ path }) => path.endsWith(digest)));
    expect([fetched(), readdirSync(inMemory('bundles/c1'))]).toEqual([[], []]);
    // Control: with the other key in the policy it runs.
    writeConfig(`image_security_policy = '${policyOf(stranger)}'`);
    daemon?.kill('SIGHUP');
    await expect.poll(() => said('configuration reloaded')).toBe(true);
    expect((await ask('c2')).error).toBeUndefined();
    expect(fetched()).toHaveLength(image.layers.length);
  });

  it('keeps the old configuration and its service when the new file is a pipe, a directory or a socket', async () => {
    writeConfig(REJECT_ALL);
    await start();
    const refusal = (what: string) => lines.some((line) => line.includes(`expected a regular file, got ${what}`));
    rmSync(inMemory('cdh.toml'));
    await mustRun('mkfifo', [inMemory('cdh.toml')]);
    daemon?.kill('SIGHUP');
    await expect.poll(() => refusal('a pipe')).toBe(true);
    expect(lines.at(-1)).toContain('"code":"CONFIG_FILE_INVALID"');
    rmSync(inMemory('cdh.toml'));
    mkdirSync(inMemory('cdh.toml'));
    daemon?.kill('SIGHUP');
    await expect.poll(() => refusal('a directory')).toBe(true);
    rmdirSync(inMemory('cdh.toml'));
    symlinkSync(socket(), inMemory('cdh.toml'));
    daemon?.kill('SIGHUP');
    await expect.poll(() => refusal('a socket')).toBe(true);
    expect((await ask('c1')).error?.code).toBe('POLICY_DENIED');
    daemon?.kill('SIGTERM');
    expect(await ended()).toBe(0);
  });

  it('answers every pull with what keeps its configuration from being honoured', async () => {
    writeConfig('sigstore_config_uri = "kbs:///default/sigstore/1"');
    await start();
    const { error } = await ask('c1');
    expect(error?.code).toBe('CONFIG_UNSUPPORTED');
    expect(error?.message).toMatch(/^\[CDH\] \[ERROR\]: Image Pull error.*sigstore_config_uri/);
  });

  it('tells systemd when it is ready and when it stops', async () => {
    const notify = inMemory('notify');
    const receiver = spawn('perl', ['-MSocket', '-e', RECEIVER, notify], { stdio: ['ignore', 'pipe', 'inherit'] });
    const told = createInterface({ input: receiver.stdout })[Symbol.asyncIterator]();
    expect((await told.next()).value).toBe('listening');
    writeConfig();
    await start({ NOTIFY_SOCKET: notify });
    expect((await told.next()).value).toBe('READY=1');
    daemon?.kill('SIGTERM');
    expect((await told.next()).value).toBe('STOPPING=1');
    receiver.kill();
    expect(await ended()).toBe(0);
  });

  /** Runs a daemon that is expected to end by itself. */
  async function failToStart(program: string, parameters: readonly string[]) {
    const child = spawn(program, parameters, { stdio: ['ignore', 'ignore', 'pipe'] });
    daemon = child;
    let text = '';
    child.stderr.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
    return { code: await ended(), text };
  }

  it('says what is wrong with its configuration, even if it cannot start with the default one', async () => {
    writeFileSync(inMemory('cdh.toml'), `[store]\nstate = "${inMemory('state')}"\nunknown = 1\n`);
    // The default state directory is on a disk, and nothing outside of this mount namespace changes.
    const script = 'mount --bind "$1" /run; exec "$2" -c "$3"';
    const folder = bed.scratch.path;
    const parameters = ['-m', 'sh', '-ec', script, 'sh', folder, SEALIFTD, inMemory('cdh.toml')];
    const { code, text } = await failToStart('unshare', parameters);
    expect(code).toBe(2);
    expect(JSON.parse(text.split('\n')[0] ?? '')).toMatchObject({
      msg: 'configuration refused',
      code: 'CONFIG_FILE_INVALID',
      error: expect.stringContaining('store.unknown: unknown setting'),
      hint: expect.any(String),
    });
    expect(text).toContain('code: VOLUME_STATE_INVALID');
    expect(text).toContain('hint: set store.state to a directory on a tmpfs');
    // The socket that it opened first is gone again.
    expect(readdirSync(join(folder, 'confidential-containers'))).toEqual([]);
  });

  it('serves the default sockets instead of those of a file with an error, and says there what it is', async () => {
    writeConfig();
    const text = readFileSync(inMemory('cdh.toml'), 'utf8');
    writeFileSync(inMemory('cdh.toml'), text.replace('[pull]', '[pull]\nunknown = 1'));
    // Nothing outside of this mount namespace changes.
    const script = 'mount -t tmpfs none /run; exec "$1" -c "$2"';
    const parameters = ['-m', 'sh', '-ec', script, 'sh', SEALIFTD, inMemory('cdh.toml')];
    daemon = spawn('unshare', parameters, { stdio: ['ignore', 'ignore', 'pipe'] });
    await once(createInterface({ input: daemon.stderr as Readable }), 'line');
    const path = `/proc/${daemon.pid}/root/run/confidential-containers/cdh.sock`;
    await expect.poll(() => existsSync(path)).toBe(true);
    const request = ['--bundle', inMemory('bundles', 'c1'), bed.reference(`small@${image.top.digest}`)];
    const { error } = await runSealift(['pull', '--socket', path, ...request]);
    expect(error).toMatchObject({ code: 'CONFIG_FILE_INVALID' });
    expect(error?.message).toContain('pull.unknown: unknown setting');
    expect(existsSync(socket())).toBe(false);
    daemon.kill('SIGTERM');
    expect(await ended()).toBe(0);
  });

  it('says why it cannot serve, and ends with the code of that', async () => {
    writeConfig();
    writeFileSync(socket(), 'a file in the place of the socket');
    const { code, text } = await failToStart(SEALIFTD, ['-c', inMemory('cdh.toml')]);
    expect(code).toBe(2);
    expect(text).toContain('code: TTRPC_SOCKET_INVALID');
    expect(readFileSync(socket(), 'utf8')).toBe('a file in the place of the socket');
  });
});

/** Prints each datagram that comes to the socket on a line. */
const RECEIVER = `$| = 1; socket(my $s, AF_UNIX, SOCK_DGRAM, 0) or die; bind($s, pack_sockaddr_un($ARGV[0])) or die;
print "listening\\n"; while (defined recv($s, my $m, 4096, 0)) { print "$m\\n" }`;
