import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import type { Duplex } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { buildImage, buildLayer, pushImage } from '../support/builders/image-builder.ts';
import { pseudoRandom } from '../support/builders/small-image.ts';
import { dir, file, symlink, tar } from '../support/builders/tar-builder.ts';
import { describeWith } from '../support/machine/needs.ts';
import { startPodVm } from '../support/podvm/start-pod-vm.ts';
import { ReapedFolder } from '../support/podvm/supervised-process.ts';
import { POD_VM_NEEDS, usePodVm } from '../support/podvm/use-pod-vm.ts';
import { startTlsFront } from '../support/proxies/tls-front.ts';
import { type RunningRegistry, startDockerRegistry } from '../support/registries/docker-registry.ts';
import { makeTestCertificates } from '../support/registries/test-certificates.ts';
import { IS_SOAK } from '../support/soak.ts';

const MIB = 1 << 20;
const GIB = 1 << 30;
const NODE = '/usr/lib/sealift/lib/node';
const WORDS = 'known words that must not reach the host';

const ECHO_SERVER = `
require('node:net').createServer({ allowHalfOpen: true }, (socket) => socket.pipe(socket)).listen('/run/echo.sock', () => {
  console.log('listening');
});`;

/** LUKS2 with its header in memory, opened as `/dev/mapper/opened`, and 1 MiB of the known words in it. */
const FORMAT_AND_OPEN = `
set -e
truncate -s 16M /run/header
head -c 64 /dev/urandom > /run/key
cryptsetup -q luksFormat --type luks2 --header /run/header --pbkdf pbkdf2 --pbkdf-force-iterations 1000 \\
  --sector-size 4096 --cipher "$2" --key-size "$3" --integrity "$4" --integrity-no-wipe --key-file /run/key "$1"
cryptsetup open --header /run/header --key-file /run/key --integrity-no-journal "$1" opened
yes "$5" | head -c 1048576 | dd of=/dev/mapper/opened bs=64k iflag=fullblock oflag=direct 2>/dev/null
dmsetup table opened
`;

describeWith([...POD_VM_NEEDS, 'docker-registry'], 'the pod VM', () => {
  let registry: RunningRegistry;
  const scratch = new ReapedFolder('bed');
  const vm = usePodVm({
    name: 'bed',
    forwardPorts: [7000],
    disks: [
      { serial: 'plain', size: 64 * MIB },
      { serial: 'crypt', size: 64 * MIB },
      { serial: 'aead', size: 64 * MIB },
      { serial: 'served', size: 250 * GIB, nbd: true },
      { serial: 'doomed', size: 16 * MIB, nbd: true },
      { serial: 'failing', size: 16 * MIB, failing: ['write'] },
      { serial: 'read-only', size: 16 * MIB, readOnly: true },
      { serial: 'wide', size: 16 * MIB, sectorSize: 4096 },
    ],
  });

  beforeAll(async () => {
    registry = await startDockerRegistry();
  });

  afterAll(async () => {
    await registry?.stop();
    await scratch[Symbol.asyncDispose]();
  });

  const shell = (script: string, ...parameters: string[]) => vm().run(['sh', '-c', script, 'sh', ...parameters]);
  const directRead = (device: string, block = 0) =>
    vm().run(['dd', `if=${device}`, 'bs=4096', 'count=1', `skip=${block}`, 'iflag=direct']);
  const directWrite = (device: string, text: string, options = {}) =>
    vm().run(['dd', `of=${device}`, 'bs=4096', 'conv=sync', 'oflag=direct'], { stdin: text, ...options });

  it('is a machine as Kata has it: device-mapper, overlay, EROFS, cgroup v2, /run of half the memory', async () => {
    const targets = await vm().mustRun(['dmsetup', 'targets']);
    for (const target of ['crypt', 'integrity', 'verity']) expect(targets).toMatch(new RegExp(`^${target} `, 'm'));
    const kinds = await vm().mustRun(['cat', '/proc/filesystems']);
    for (const kind of ['overlay', 'erofs', 'ext4']) expect(kinds).toMatch(new RegExp(`\\t${kind}$`, 'm'));
    const mounts = await vm().mustRun(['cat', '/proc/mounts']);
    expect(mounts).toContain('cgroup2 /sys/fs/cgroup cgroup2');
    const [total, run] = (await vm().mustRun(['sh', '-c', "awk '/MemTotal/{print $2}' /proc/meminfo; df -k /run"]))
      .match(/\d{6,}/g)
      ?.map(Number) ?? [0, 0];
    expect(Math.abs((run ?? 0) / (total ?? 1) - 0.5)).toBeLessThan(0.05);
    expect(vm().serial()).not.toMatch(/panic|Call Trace/);
  });

  it('runs commands with their input, output, environment and end', async () => {
    const { code, stdout, stderr } = await vm().run(['sh', '-c', 'cat; echo "$GREETING" >&2; exit 7'], {
      stdin: Buffer.from([0, 255, 10]),
      env: { GREETING: 'ahoy' },
    });
    expect({ code, stdout: [...stdout], stderr }).toEqual({ code: 7, stdout: [0, 255, 10], stderr: 'ahoy\n' });
    expect((await vm().run(['no-such-program'])).code).toBe(127);
    expect((await shell('kill -9 $$')).code).toBe(137);
  });

  it('carries files of any bytes there and back', async () => {
    const content = pseudoRandom(IS_SOAK ? 8 * MIB : MIB, 'there and back');
    await vm().writeFile('/run/new/folder/file', content);
    const sum = await vm().mustRun(['sha256sum', '/run/new/folder/file']);
    expect(sum.split(' ')[0]).toBe(createHash('sha256').update(content).digest('hex'));
    expect((await vm().readFile('/run/new/folder/file')).equals(content)).toBe(true);
    await vm().mustRun(['rm', '-r', '/run/new']);
  });

  it('runs many commands at once', async () => {
    const numbers = Array.from({ length: 40 }, (_, number) => String(number));
    const answers = await Promise.all(numbers.map((number) => vm().mustRun(['echo', number])));
    expect(answers).toEqual(numbers.map((number) => `${number}\n`));
  });

  it('ends a command that takes too long, with its children', async () => {
    await expect(vm().run(['sh', '-c', 'echo begun; sleep 4711 & wait'], { timeoutMs: 5_000 })).rejects.toThrow(
      /not done after 5000 ms[\s\S]*begun/,
    );
    await expect.poll(async () => (await shell('ps | grep "[s]leep 4711"')).code).toBe(1);
  });

  it('spawns a daemon, reaches its socket with many streams, and kills it', async () => {
    await using daemon = await vm().spawn([NODE, '-e', ECHO_SERVER]);
    await new Promise((resolve) => daemon.stdout.once('data', resolve));
    const messages = Array.from({ length: 50 }, (_, number) => pseudoRandom(64 * 1024, `message ${number}`));
    const answers = await Promise.all(
      messages.map(async (message) => {
        const stream: Duplex = await vm().connect('/run/echo.sock');
        stream.end(message);
        return buffer(stream);
      }),
    );
    expect(answers.map((answer, number) => answer.equals(messages[number] ?? Buffer.of()))).not.toContain(false);
    const idle = await vm().connect('/run/echo.sock');
    const ended = new Promise((resolve) => idle.once('close', resolve));
    idle.on('error', () => undefined).resume();
    await daemon.kill();
    expect(await daemon.exited).toBe(137);
    await ended;
    await expect(vm().connect('/run/echo.sock')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    await expect(vm().connect('/run/none.sock')).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('forwards a port of the guest to the host', async () => {
    await using server = await vm().spawn(['httpd', '-f', '-p', '7000', '-h', '/etc']);
    expect(server.pid).toBeGreaterThan(1);
    await expect
      .poll(async () => {
        const answer = await fetch(`http://127.0.0.1:${vm().forwardedPort(7000)}/os-release`).catch(() => undefined);
        return answer?.text();
      })
      .toContain('sealift-podvm');
  });

  it('has the built program, which finds what it needs', async () => {
    const { code, stdout, stderr } = await vm().run(['sealift', 'doctor', '--json']);
    const answer = JSON.parse(stdout.toString());
    expect(answer, stderr).toMatchObject({ schema: 1 });
    expect(code).toBe(0);
    const fit = ['kernel', 'system-calls', 'overlayfs', 'mount-api', 'loop-devices', 'erofs', 'layer-format'];
    const checks: { name: string; status: string }[] = answer.result.checks;
    expect(checks.filter(({ status }) => status === 'ok').map(({ name }) => name)).toEqual(expect.arrayContaining(fit));
  });

  it.runIf(IS_SOAK)('pulls an image over TLS from a registry on the host, and the container runs', async () => {
    const members = [
      dir('bin'),
      dir('proc'),
      file('bin/busybox', readFileSync('/bin/busybox'), { mode: 0o755 }),
      symlink('bin/sh', 'busybox'),
    ];
    const image = buildImage({
      format: 'oci',
      layers: [await buildLayer(tar(members), 'gzip', scratch.path)],
      config: { Cmd: ['/bin/sh', '-c', 'echo "ahoy from $(busybox uname -n)"'], Env: ['PATH=/bin'] },
    });
    await pushImage(registry.url, 'bed/busybox', 'latest', image);
    const { authority, server } = makeTestCertificates();
    await using front = await startTlsFront({ target: registry.host, ...server });
    const name = `${vm().registryHost}:${front.host.split(':')[1]}/bed/busybox@${image.top.digest}`;
    const pull = ['sealift', 'pull', name, '--bundle', '/run/bundle', '--json'];
    const distrusted = await vm().run(['sealift', 'inspect', name, '--json']);
    expect(distrusted.code).not.toBe(0);
    expect(distrusted.stdout.toString()).toMatch(/HTTP_UNAVAILABLE.*certificate/);
    await vm().mustRun(pull, { env: { SEALIFT_PULL_EXTRA_ROOT_CERTIFICATES: authority } });
    const run = await vm().run(['crun', 'run', '--no-pivot', '--bundle', '/run/bundle', 'bed']);
    expect(run.stderr).toBe('');
    expect(run.stdout.toString()).toMatch(/^ahoy from /);
    expect(run.code).toBe(0);
  });

  it('shows the host what the guest writes, and the guest what the host changes', async () => {
    const { devicePath, image } = await vm().disk('plain');
    await directWrite(devicePath, WORDS);
    expect(await image.find(Buffer.from(WORDS))).toBe(0);
    expect(image.allocatedBytes()).toBeLessThan(MIB);

    const snapshot = await image.takeSnapshot();
    const cached = await vm().mustRun(['head', '-c', '5', devicePath]);
    expect(cached).toBe('known');
    image.flipBit(0, 5);
    expect((await directRead(devicePath)).stdout.subarray(0, 5).toString()).toBe('Known');
    await vm().dropCaches();
    expect(await vm().mustRun(['head', '-c', '5', devicePath])).toBe('Known');

    await directWrite(devicePath, 'newer words');
    await image.restore(snapshot, { start: 0, length: 4096 });
    expect((await directRead(devicePath)).stdout.subarray(0, WORDS.length).toString()).toBe(WORDS);
  });

  it.each([
    { serial: 'crypt', cipher: 'aes-xts-plain64', bits: '512', integrity: 'hmac-sha256' },
    { serial: 'aead', cipher: 'aegis128-random', bits: '128', integrity: 'aead' },
  ])('encrypts for real and sees a flipped bit ($cipher, $integrity)', async ({ serial, ...how }) => {
    const { devicePath, image } = await vm().disk(serial);
    const opened = await shell(FORMAT_AND_OPEN, devicePath, how.cipher, how.bits, how.integrity, WORDS);
    expect(opened.stderr).toBe('');
    expect(opened.stdout.toString()).toMatch(/^0 \d+ crypt .* integrity:\d+:aead sector_size:4096/);
    expect((await directRead('/dev/mapper/opened', 7)).stdout.toString()).toContain(WORDS);
    expect(await image.find(Buffer.from(WORDS))).toBeUndefined();
    expect(image.allocatedBytes()).toBeGreaterThan(MIB);

    for (const extent of await image.listExtents()) {
      for (let offset = extent.start; offset < extent.start + extent.length; offset += 4096) {
        // The first blocks are dm-integrity's own superblock.
        if (offset >= MIB / 2) image.flipBit(offset);
      }
    }
    await vm().dropCaches();
    const broken = await directRead('/dev/mapper/opened', 7);
    expect(broken.code).not.toBe(0);
    expect(broken.stderr).toMatch(/Input\/output error|Invalid or incomplete/);
    await vm().mustRun(['cryptsetup', 'close', 'opened']);
  });

  it('has a disk that stops answering, and goes on', async () => {
    const disk = await vm().disk('served');
    await directWrite(disk.devicePath, WORDS);
    expect(await disk.image.find(Buffer.from(WORDS))).toBe(0);
    await disk.stall();
    await using read = await vm().spawn(['dd', `if=${disk.devicePath}`, 'bs=4096', 'count=1', 'iflag=direct']);
    await expect(
      vm().run(['dd', `if=${disk.devicePath}`, 'bs=4096', 'count=1', 'skip=9', 'iflag=direct'], { timeoutMs: 1_000 }),
    ).rejects.toThrow('not done after 1000 ms');
    expect(await vm().mustRun(['echo', 'still here'])).toBe('still here\n');
    await disk.unstall();
    expect((await buffer(read.stdout)).subarray(0, WORDS.length).toString()).toBe(WORDS);
    expect(await read.exited).toBe(0);
  });

  it('has a disk that vanishes behind its device', async () => {
    const disk = await vm().disk('doomed');
    expect((await directRead(disk.devicePath)).code).toBe(0);
    await disk.kill();
    expect(await directRead(disk.devicePath)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('Input/output error'),
    });
  });

  it('has disks that fail to write, that are read-only, and with wide sectors', async () => {
    const [failing, readOnly, wide] = await Promise.all(
      ['failing', 'read-only', 'wide'].map((each) => vm().disk(each)),
    );
    expect((await directRead(failing?.devicePath ?? '')).code).toBe(0);
    const failed = await directWrite(failing?.devicePath ?? '', WORDS);
    expect(failed).toMatchObject({ code: 1, stderr: expect.stringContaining('Input/output error') });
    expect(await vm().mustRun(['blockdev', '--getro', readOnly?.devicePath ?? ''])).toBe('1\n');
    expect(await vm().mustRun(['blockdev', '--getss', wide?.devicePath ?? ''])).toBe('4096\n');
    expect(await vm().mustRun(['blockdev', '--getss', failing?.devicePath ?? ''])).toBe('512\n');
  });

  it('takes a disk while it runs, and lets it go', async () => {
    const late = await vm().plugDisk({ serial: 'late', size: 32 * MIB });
    expect(late.deviceId).toMatch(/^\d+:\d+$/);
    await directWrite(late.devicePath, WORDS);
    expect(await late.image.find(Buffer.from(WORDS))).toBe(0);
    await vm().unplugDisk('late');
    expect((await vm().run(['test', '-e', late.devicePath])).code).toBe(1);
    await expect(vm().disk('late')).rejects.toThrow('no disk late');
  });

  it('stands still while it is paused', async () => {
    await vm().pause();
    const answer = vm().mustRun(['echo', 'awake']);
    expect(await vm().monitor('query-status')).toMatchObject({ status: 'paused' });
    await vm().resume();
    expect(await answer).toBe('awake\n');
  });

  it('tells why another one does not come up', async () => {
    const options = { name: 'bed-broken', kernelParameters: 'rdinit=/no-such-program', memoryMb: 1024 };
    const failed = await startPodVm(options).then(
      () => undefined,
      (error: Error) => error.message,
    );
    expect(failed).toMatch(/serial\/bed-broken\.log and ends:[\s\S]*panic/);
  });

  it('fails what is under way when it ends, and keeps its last words', async () => {
    const { image } = await vm().disk('plain');
    await using waiting = await vm().spawn(['sleep', '4712']);
    await vm().mustRun(['sh', '-c', 'echo last words > /dev/console']);
    await vm().monitor('quit');
    await expect(waiting.exited).rejects.toThrow('went away');
    await expect(vm().run(['true'])).rejects.toThrow();
    await vm().stop();
    await vm().stop();
    expect(vm().serial()).toContain('last words');
    expect(existsSync(image.path)).toBe(false);
  });
});
