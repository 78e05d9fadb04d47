import { readFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { ErrorCode } from '../../src/errors/index.ts';
import { type BuiltImage, buildImage, buildLayer, pushImage } from '../support/builders/image-builder.ts';
import { pseudoRandom } from '../support/builders/small-image.ts';
import { dir, file, symlink, tar } from '../support/builders/tar-builder.ts';
import { describeWith } from '../support/machine/needs.ts';
import { EMPTY_DIR_OPTIONS, SECURE_MOUNT_OPTIONS } from '../support/podvm/agent-calls.ts';
import { GUEST, GuestDaemon } from '../support/podvm/guest-daemon.ts';
import { ReapedFolder } from '../support/podvm/supervised-process.ts';
import type { GuestDisk } from '../support/podvm/types.ts';
import { POD_VM_NEEDS, usePodVm } from '../support/podvm/use-pod-vm.ts';
import { type RunningRegistry, startDockerRegistry } from '../support/registries/docker-registry.ts';
import { IS_SOAK } from '../support/soak.ts';

const MIB = 1 << 20;
const WORDS = 'known words of the image that must not reach the host';
/** https://gitlab.com/cryptsetup/LUKS2-docs: the magic of both header copies. */
const LUKS_MAGIC = [Buffer.from('LUKS\xba\xbe', 'latin1'), Buffer.from('SKUL\xba\xbe', 'latin1')];
const NODE = '/dev/image_store';
const STORAGE = '/run/kata-containers/sandbox/storage';

interface Unusable {
  readonly what: string;
  readonly serial?: string;
  readonly make?: string;
  readonly code: ErrorCode;
  /** True for cases of the short run; the tests of the volume cover all of them. */
  readonly isQuick?: boolean;
}

const UNUSABLE: readonly Unusable[] = [
  { what: 'is too small', serial: 'tiny', code: 'VOLUME_DEVICE_INVALID' },
  { what: 'is read-only', serial: 'read-only', code: 'VOLUME_DEVICE_INVALID', isQuick: true },
  { what: 'fails to write', serial: 'no-writes', code: 'VOLUME_PROGRAM_FAILED' },
  {
    what: 'is held by a mapping',
    serial: 'held',
    make: 'dmsetup create odd --table "0 8192 linear $1 0"',
    code: 'VOLUME_DEVICE_BUSY',
    isQuick: true,
  },
  { what: 'is a directory', make: 'mkdir /dev/odd', code: 'VOLUME_DEVICE_INVALID' },
  { what: 'is a link out of /dev', make: 'ln -s /etc/passwd /dev/odd', code: 'VOLUME_DEVICE_INVALID' },
  { what: 'is not there', code: 'VOLUME_DEVICE_MISSING', isQuick: true },
];

const settings = (volume: string) => `
[volume]
${volume}
[pull]
tls_verify = false
[log]
level = "debug"
`;

describeWith([...POD_VM_NEEDS, 'docker-registry'], 'the device of the image store, as the daemon finds it', () => {
  let registry: RunningRegistry;
  let image: BuiltImage;
  let daemon: GuestDaemon;
  let isPlugged = false;
  const scratch = new ReapedFolder('daemon-devices');
  const vm = usePodVm({
    name: 'daemon-devices',
    disks: [
      { serial: 'tiny', size: 64 * MIB - 4096 },
      { serial: 'read-only', size: 64 * MIB, readOnly: true },
      { serial: 'no-writes', size: 64 * MIB, failing: ['write'] },
      { serial: 'held', size: 64 * MIB },
      { serial: 'one', size: 64 * MIB },
      { serial: 'two', size: 64 * MIB },
    ],
  });

  beforeAll(async () => {
    registry = await startDockerRegistry();
    const words = Buffer.concat([Buffer.from(WORDS), pseudoRandom(2 * MIB, 'words'), Buffer.from(WORDS)]);
    const members = [
      dir('bin'),
      dir('proc'),
      file('bin/busybox', readFileSync('/bin/busybox'), { mode: 0o755 }),
      symlink('bin/sh', 'busybox'),
      file('words', words),
    ];
    image = buildImage({
      format: 'oci',
      layers: [await buildLayer(tar(members), 'gzip', scratch.path)],
      config: { Cmd: ['/bin/sh', '-c', 'head -c 11 /words; touch /written'], Env: ['PATH=/bin'] },
    });
    await pushImage(registry.url, 'devices', 'latest', image);
  });

  afterAll(async () => {
    await daemon?.[Symbol.asyncDispose]();
    await registry?.stop();
    await scratch[Symbol.asyncDispose]();
  });

  const shell = (script: string, ...parameters: string[]) => vm().mustRun(['sh', '-c', script, 'sh', ...parameters]);
  const reference = () => `${registry.host.replace('127.0.0.1', vm().registryHost)}/devices@${image.top.digest}`;
  const mounts = () => shell('cat /proc/mounts');
  const store = async () => (await daemon.records()).imageStore;
  const secureMount = (devicePath: string) =>
    daemon.agent.trySecureMount({ devicePath, ...SECURE_MOUNT_OPTIONS }, GUEST.store);

  async function runContainer(bundle: string): Promise<void> {
    const argv = ['crun', 'run', '--no-pivot', '--bundle', bundle, bundle.replace(/.*\//, '')];
    const { code, stdout, stderr } = await vm().run(argv);
    expect({ code, stdout: stdout.toString(), stderr }).toEqual({ code: 0, stdout: 'known words', stderr: '' });
  }

  async function assertOnDevice(bundle: string): Promise<void> {
    await runContainer(bundle);
    expect(await store()).toMatchObject({ state: 'ready', backing: { kind: 'device', directory: GUEST.store } });
    expect(await mounts()).not.toContain(` ${GUEST.memory} `);
  }

  /** Ends the daemon, if one runs, and answers its exit code. */
  async function end(): Promise<number | undefined> {
    await daemon?.process.kill('SIGTERM').catch(() => undefined);
    return daemon?.process.exited;
  }

  async function begin(config: string): Promise<void> {
    if (daemon === undefined) daemon = await GuestDaemon.start(vm(), config, scratch.path);
    else await daemon.startAgain(config);
  }

  /** Restores the state after a boot: no container, no daemon, no records. */
  async function forget(): Promise<void> {
    await shell(`for mount in $(awk '$3 == "overlay" { print $2 }' /proc/mounts); do umount "$mount"; done`);
    if (daemon !== undefined) await expect.poll(mounts).not.toContain(' erofs ');
    expect(await end()).toBeOneOf([0, undefined]);
    await shell(`grep -q ' ${GUEST.memory} ' /proc/mounts && umount ${GUEST.memory}; rm -rf ${GUEST.state}`);
  }

  /** Plugs the disk in, unless a test before has done so, and makes its node. */
  async function plugLateDisk(): Promise<GuestDisk> {
    if (!isPlugged) await vm().plugDisk({ serial: 'late', size: 64 * MIB });
    isPlugged = true;
    const disk = await vm().disk('late');
    await shell(`test -e ${NODE} || mknod ${NODE} b $(echo "$1" | tr : ' ')`, disk.deviceId);
    return disk;
  }

  /** A daemon whose image store has failed, as the tests before leave it, or a new one without a device. */
  async function beginWithoutDevice(): Promise<void> {
    if (daemon !== undefined && (await store()).state === 'failed') return;
    await forget();
    await shell(`rm -f ${NODE}`);
    await begin(settings('devices = ["/dev/nothing"]'));
  }

  afterEach(() => shell('dmsetup remove odd 2>/dev/null; rm -rf /dev/odd'));

  // The short run has both without the daemon, in `volume.test.ts`.
  it.runIf(IS_SOAK)('is waited for, where configured, by the first pull', async () => {
    await begin(settings('wait_ms = 600000'));
    let isAnswered = false;
    const pulling = daemon.pull(reference()).finally(() => {
      isAnswered = true;
    });
    await expect.poll(async () => (await store()).state).toBe('preparing');
    await expect.poll(() => daemon.log.join('\n')).toContain('pull requested');
    // The pull takes it for late, too.
    expect(isAnswered).toBe(false);
    await plugLateDisk();
    const { status, message, bundle } = await pulling;
    expect(status, message).toBe(0);
    await assertOnDevice(bundle);
  });

  it('is found by its node at start: encrypted, and noise to the host', async () => {
    await forget();
    const { image: disk } = await plugLateDisk();
    await begin(settings(''));
    const { bundle } = await daemon.mustPull(reference());
    await assertOnDevice(bundle);
    expect(await shell('dmsetup table sealift-image-store')).toMatch(
      / crypt capi:authenc\(hmac\(sha256\),xts\(aes\)\)/,
    );
    await vm().dropCaches();
    expect(disk.allocatedBytes()).toBeGreaterThan(2 * MIB);
    for (const needle of [Buffer.from(WORDS), ...LUKS_MAGIC]) expect(await disk.find(needle)).toBeUndefined();
    // Positive control: the guest finds the words.
    await shell(`grep -rq '${WORDS}' ${GUEST.store}/store/layers`);
  });

  it('may have another name, and is no store when it cannot be one: no memory in its place', async () => {
    await forget();
    await shell(`rm -f ${NODE}`);
    const { devicePath } = await vm().disk('tiny');
    await begin(settings(`devices = ["/dev/nothing", "${devicePath}"]`));
    const { message } = await daemon.pull(reference());
    expect(message).toContain('[VOLUME_DEVICE_INVALID]');
    expect(message).toContain('at least 67108864 bytes');
    const { state, backing, error } = await store();
    expect({ state, backing, code: error?.code }).toEqual({
      state: 'failed',
      backing: undefined,
      code: 'VOLUME_DEVICE_INVALID',
    });
    expect(await mounts()).not.toContain(` ${GUEST.memory} `);
  });

  it.each(IS_SOAK ? UNUSABLE : UNUSABLE.filter(({ isQuick }) => isQuick))(
    'is refused to the agent, and so are pulls, when it $what',
    async (row) => {
      await beginWithoutDevice();
      const path = row.serial === undefined ? '/dev/odd' : (await vm().disk(row.serial)).devicePath;
      if (row.make !== undefined) await shell(row.make, path);
      const { status, message } = await secureMount(path);
      expect({ status, message }).toEqual({ status: 13, message: expect.stringContaining(`[${row.code}]`) });
      const refused = await daemon.pull(reference());
      expect(refused).toMatchObject({ status: 13, message: expect.stringContaining(`[${row.code}]`) });
      expect((await store()).state).toBe('failed');
      expect(await mounts()).not.toContain(` ${GUEST.memory} `);
    },
  );

  it.runIf(IS_SOAK)('is replaced by memory where configuration allows it, which says so', async () => {
    expect(await end()).toBeOneOf([0, undefined]);
    await begin(settings('required = false'));
    // The agent would not start the container whose device fails to be mounted.
    expect(await secureMount((await vm().disk('tiny')).devicePath)).toMatchObject({ status: 0 });
    const { bundle } = await daemon.mustPull(reference());
    await runContainer(bundle);
    expect(await mounts()).toContain(` ${GUEST.memory} tmpfs `);
    const { state, place, error } = await daemon.status();
    expect({ state, place, code: error?.code }).toMatchObject({
      state: 'failed',
      place: { kind: 'memory', directory: GUEST.memory, reason: expect.stringContaining('VOLUME_DEVICE_INVALID') },
      code: 'VOLUME_DEVICE_INVALID',
    });
    expect(daemon.log.join('\n')).toContain('memory is used instead of the image store');
    // What the request itself gets wrong is no fault of a device.
    expect(await secureMount('/etc/passwd')).toMatchObject({
      status: 13,
      message: expect.stringContaining('[VOLUME_REQUEST_INVALID]'),
    });
  });

  it('is the store by its path as soon as one can be it', async () => {
    if (daemon === undefined) await beginWithoutDevice();
    const { devicePath } = await vm().disk('held');
    expect(await secureMount(devicePath)).toMatchObject({ status: 0 });
    const { bundle } = await daemon.mustPull(reference());
    await runContainer(bundle);
    expect(await store()).toMatchObject({ state: 'ready', backing: { kind: 'device' } });
  });

  describe('beside it, disks of encrypted emptyDir volumes', () => {
    const [one, two] = [`${STORAGE}/L3Zhci9vbmU=`, `${STORAGE}/L3Zhci90d28=`];
    const mountEmptyDir = async (serial: string, mountPoint: string) => {
      const { deviceId } = await vm().disk(serial);
      return daemon.agent.trySecureMount({ deviceId, ...EMPTY_DIR_OPTIONS }, mountPoint);
    };
    const mappings = async () => (await shell('dmsetup ls')).match(/^sealift-volume-[0-9a-f]{16}\t/gm) ?? [];
    const volumes = async () =>
      (await daemon.records()).containers.map(({ mountPoint, state }) => `${mountPoint} ${state}`).sort();
    const bothReady = [`${one} ready`, `${two} ready`].sort();

    it('are mounted for containers: any user writes, programs run, and the host finds noise', async () => {
      if (daemon === undefined) await beginWithoutDevice();
      expect(await mountEmptyDir('one', one)).toMatchObject({ status: 0 });
      expect(await mountEmptyDir('two', two)).toMatchObject({ status: 0 });
      expect(await mountEmptyDir('two', two)).toMatchObject({ status: 0 });
      expect(await mountEmptyDir('two', one)).toMatchObject({
        status: 13,
        message: expect.stringContaining('[VOLUME_IN_USE]'),
      });
      expect(await volumes()).toEqual(bothReady);
      expect(await mappings()).toHaveLength(2);
      const output = await shell(
        `set -e
         for dir in "$1" "$2"; do
           grep " $dir ext4 " /proc/mounts | cut -d' ' -f4 | cut -d, -f1,2
           stat -c %a "$dir"; ls -A "$dir"
           yes "$3" | head -c 8388608 > "$dir/file"
           cp /usr/bin/busybox "$dir/busybox"; "$dir/busybox" echo runs
         done
         sync`,
        one,
        two,
        WORDS,
      );
      expect(output).toBe('rw,noatime\n777\nruns\n'.repeat(2));
      // Each has a key of its own: the kernel's tables name two.
      const keys = (await shell('dmsetup table')).match(/:96:logon:\S+/g) ?? [];
      expect(new Set(keys).size).toBe(keys.length);
      for (const serial of ['one', 'two']) {
        const { image: disk } = await vm().disk(serial);
        expect(disk.allocatedBytes()).toBeGreaterThan(8 * MIB);
        for (const needle of [Buffer.from(WORDS), ...LUKS_MAGIC]) expect(await disk.find(needle)).toBeUndefined();
      }
    });

    it('never read what the host has changed, and outlive the daemon', async () => {
      await vm().dropCaches();
      expect(await shell('head -c 11 "$1/file"', two)).toBe('known words');
      const { image: disk } = await vm().disk('two');
      for (let offset = 4 * MIB; offset < 60 * MIB; offset += 64 * 1024) disk.flipBit(offset);
      await vm().dropCaches();
      const read = await vm().run(['sh', '-c', 'cat "$1/file" > /dev/null', 'sh', two]);
      expect(read.code).not.toBe(0);
      expect(read.stderr).toContain('Input/output error');
      const before = await shell('dmsetup table | grep sealift-volume | sort');
      expect(await end()).toBe(0);
      await daemon.startAgain();
      await expect.poll(async () => await volumes()).toEqual(bothReady);
      expect(await shell('dmsetup table | grep sealift-volume | sort')).toBe(before);
      expect(await shell('head -c 11 "$1/file"', one)).toBe('known words');
    });

    it('are given back when the agent has unmounted them, and can be used again', async () => {
      await shell('umount "$1" "$2"', one, two);
      await expect.poll(mappings).toEqual([]);
      expect(await volumes()).toEqual([]);
      expect(await mountEmptyDir('two', one)).toMatchObject({ status: 0 });
      expect(await shell('ls -A "$1"', one)).toBe('');
    });
  });
});
