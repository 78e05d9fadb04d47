import { readFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { basename } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { PullBed } from '../support/beds/pull-bed.ts';
import { type BuiltImage, buildImage, buildLayer, pushImage } from '../support/builders/image-builder.ts';
import { pseudoRandom } from '../support/builders/small-image.ts';
import { dir, file, symlink, tar } from '../support/builders/tar-builder.ts';
import { describeWith } from '../support/machine/needs.ts';
import { AT_ONCE_MS } from '../support/patience.ts';
import { AgentClient } from '../support/podvm/agent-calls.ts';
import { PATIENCE } from '../support/podvm/guest-daemon.ts';
import { ReapedFolder } from '../support/podvm/supervised-process.ts';
import type { GuestProcess } from '../support/podvm/types.ts';
import { POD_VM_NEEDS, usePodVm } from '../support/podvm/use-pod-vm.ts';
import {
  REGISTRY_CREDENTIALS,
  type RunningRegistry,
  startDockerRegistry,
} from '../support/registries/docker-registry.ts';
import { attachUnderTag } from '../support/signatures/attach.ts';
import { makeSigner, payloadFor, signPayload } from '../support/signatures/sigstore-builder.ts';

const MIB = 1 << 20;
const GIB = 1 << 30;
const DAEMON = '/usr/lib/sealift/sealiftd';
const CONFIG = '/run/sealiftd.toml';
const SOCKET = '/run/confidential-containers/cdh.sock';
const STORE = '/run/kata-containers/image';
const MEMORY = '/run/kata-containers/image-memory';
const WORDS = 'known words of the image that must not reach the host';
/** https://gitlab.com/cryptsetup/LUKS2-docs: the magic of both header copies. */
const LUKS_MAGIC = [Buffer.from('LUKS\xba\xbe', 'latin1'), Buffer.from('SKUL\xba\xbe', 'latin1')];

const SETTINGS = `
[pull]
tls_verify = false
[log]
level = "debug"
${PATIENCE}`;

/** Policy, keys and credentials come from a file of the guest under the names that they have in the key broker. */
const RESOURCES = '/run/resources.json';
const FROM_BROKER = `
[kbc]
name = "offline_fs_kbc"
[keybroker]
offline_files = ["${RESOURCES}"]
[image]
image_security_policy_uri = "kbs:///default/security-policy/1"
authenticated_registry_credentials_uri = "kbs:///default/credential/1"
`;

describeWith([...POD_VM_NEEDS, 'docker-registry'], 'the daemon in the pod VM', () => {
  let registry: RunningRegistry;
  let image: BuiltImage;
  let other: BuiltImage;
  let daemon: GuestProcess;
  let agent: AgentClient;
  const scratch = new ReapedFolder('daemon');
  const disks = [
    { serial: 'store', size: GIB },
    { serial: 'plain', size: 64 * MIB },
  ];
  const vm = usePodVm({ name: 'daemon', disks });
  let containers = 0;
  /** Space on the disk that an empty store takes. */
  let emptyKib: number;

  beforeAll(async () => {
    registry = await startDockerRegistry();
    const words = Buffer.concat([Buffer.from(WORDS), pseudoRandom(4 * MIB, 'large'), Buffer.from(WORDS)]);
    const members = [
      dir('bin'),
      dir('proc'),
      file('bin/busybox', readFileSync('/bin/busybox'), { mode: 0o755 }),
      symlink('bin/sh', 'busybox'),
    ];
    const base = await buildLayer(tar(members), 'gzip', scratch.path);
    const build = async (content: Buffer) =>
      buildImage({
        format: 'oci',
        layers: [base, await buildLayer(tar([file('words', content)]), 'gzip', scratch.path)],
        config: { Cmd: ['/bin/sh', '-c', 'head -c 11 /words; touch /written'], Env: ['PATH=/bin'] },
      });
    image = await build(words);
    other = await build(Buffer.from('other words'));
    await pushImage(registry.url, 'daemon/words', 'latest', image);
    await pushImage(registry.url, 'daemon/words', 'other', other);
    await vm().writeFile(CONFIG, SETTINGS);
    daemon = await startDaemon();
    agent = await AgentClient.open(vm(), SOCKET, scratch.path);
  });

  afterAll(async () => {
    await agent?.close();
    await registry?.stop();
    await scratch[Symbol.asyncDispose]();
  });

  const shell = (script: string) => vm().run(['sh', '-c', script]);
  const reference = ({ top }: BuiltImage = image) =>
    `${registry.host.replace('127.0.0.1', vm().registryHost)}/daemon/words@${top.digest}`;
  const mappings = async () => ((await vm().mustRun(['dmsetup', 'ls'])).match(/^sealift-\S+/gm) ?? []).sort();
  const usedKib = async () => Number((await vm().mustRun(['sh', '-c', `df -k ${STORE} | awk 'END{print $3}'`])).trim());
  const listLayers = async (directory = STORE) =>
    (await shell(`ls ${directory}/store/layers`)).stdout.toString().split('\n').filter(Boolean);
  const listUppers = async (directory: string) =>
    (await shell(`ls ${directory}/store/uppers`)).stdout.toString().split('\n').filter(Boolean);

  /** Starts the daemon as the agent does: removes an old socket and waits for the new one. */
  async function startDaemon(): Promise<GuestProcess> {
    await vm().mustRun(['rm', '-f', SOCKET]);
    const started = performance.now();
    const spawned = await vm().spawn([DAEMON, '-c', CONFIG]);
    spawned.stdout.resume();
    spawned.stderr.resume();
    await vm().mustRun(['sh', '-c', `until test -S ${SOCKET}; do usleep 20000; done`]);
    process.stdout.write(`sealiftd in the pod VM: socket after ${Math.round(performance.now() - started)} ms\n`);
    return spawned;
  }

  /** Makes the bundle, pulls and gives the rootfs to the container, as the agent does. */
  async function pull(wanted = image): Promise<string> {
    containers += 1;
    const bundle = `/run/kata-containers/c${containers}`;
    await vm().mustRun(['mkdir', '-p', bundle]);
    const digest = await agent.pullImage(reference(wanted), bundle);
    expect(digest).toBe(wanted.manifest.digest);
    return bundle;
  }

  async function runContainer(bundle: string): Promise<string> {
    const { code, stdout, stderr } = await vm().run([
      'crun',
      'run',
      '--no-pivot',
      '--bundle',
      bundle,
      basename(bundle),
    ]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    return stdout.toString();
  }

  it('pulls into memory while there is no device', async () => {
    const bundle = await pull();
    await pull();
    expect(await runContainer(bundle)).toBe('known words');
    expect(await vm().mustRun(['sh', '-c', `grep ' ${MEMORY} ' /proc/mounts`])).toContain(' tmpfs rw,nosuid,nodev');
    // Half of the memory, instead of the size that /run happens to have.
    const sizes = await vm().mustRun([
      'sh',
      '-c',
      `awk '/MemTotal/{print $2}' /proc/meminfo; df -k ${MEMORY} | tail -1`,
    ]);
    const [total = 0, size = 0] = sizes.match(/\d{6,}/g)?.map(Number) ?? [];
    expect(Math.abs(size / total - 0.5)).toBeLessThan(0.01);
    expect((await shell(`grep ' ${STORE} ' /proc/mounts`)).code).toBe(1);
    expect(await listUppers(MEMORY)).toHaveLength(2);
  });

  it('makes the device the store when the agent says which, by its number alone', async () => {
    const { deviceId } = await vm().disk('store');
    await agent.secureMount(deviceId, `${STORE}/`);
    const table = await vm().mustRun(['dmsetup', 'table', 'sealift-image-store']);
    expect(table).toMatch(
      /^0 \d+ crypt (?:capi:\S+|aes-xts-plain64) \S+ 0 \S+ 0 .*integrity:\d+:aead.*sector_size:4096/,
    );
    expect(await vm().mustRun(['sh', '-c', `grep ' ${STORE} ' /proc/mounts`])).toMatch(/ ext4 rw.*noatime/);
    emptyKib = await usedKib();
    // The call is repeated for each container that carries the device.
    const before = await mappings();
    await agent.secureMount(deviceId, `${STORE}/`);
    expect(await mappings()).toEqual(before);
  });

  it('pulls into the store from then on, through hash trees, and the container runs', async () => {
    const bundle = await pull();
    expect(await runContainer(bundle)).toBe('known words');
    const trees = (await mappings()).filter((name) => !name.startsWith('sealift-image-store'));
    expect(trees.length).toBe(2);
    expect(await listUppers(STORE)).toHaveLength(1);
    // Roots, index and names lie in memory.
    expect((await shell(`find ${STORE} -name '*.json'`)).stdout.toString()).toBe('');
  });

  it('gives back what a container in memory has left, although the disk is the store by now', async () => {
    await vm().mustRun(['umount', '/run/kata-containers/c1/rootfs']);
    await expect.poll(() => listUppers(MEMORY)).toHaveLength(1);
    expect(await listUppers(STORE)).toHaveLength(1);
  });

  it('tells which store it is and why', async () => {
    const { result } = JSON.parse(await vm().mustRun(['sealift', 'store', 'status', '-c', CONFIG, '--json']));
    expect(result).toMatchObject({
      state: 'ready',
      place: { kind: 'device', directory: STORE },
      integrity: 'hmac-sha256',
      images: 1,
      layers: 2,
      mounts: 1,
    });
    expect(result.space.usedBytes).toBeGreaterThan(4 * MIB);
  });

  it('shows the host noise: allocated, and neither the words nor a LUKS header', async () => {
    await vm().dropCaches();
    const { image: disk } = await vm().disk('store');
    expect(disk.allocatedBytes()).toBeGreaterThan(4 * MIB);
    for (const needle of [Buffer.from(WORDS), ...LUKS_MAGIC]) expect(await disk.find(needle)).toBeUndefined();
    // The guest finds the words.
    expect((await shell(`grep -rqc '${WORDS.slice(0, 11)}' ${STORE}/store/layers`)).code).toBe(0);
  });

  it('would be seen by the same eyes, were the disk not encrypted or its header on it', async () => {
    const { devicePath, image: disk } = await vm().disk('plain');
    await shell(`mkfs.ext4 -q ${devicePath} && mkdir -p /run/plain && mount ${devicePath} /run/plain &&
      cp ${STORE}/store/layers/* /run/plain/ && umount /run/plain`);
    await vm().dropCaches();
    expect(await disk.find(Buffer.from(WORDS))).toBeDefined();
    const options = '--type luks2 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 --luks2-metadata-size 16k';
    const { code, stderr } = await shell(`echo key | cryptsetup luksFormat -q ${options} ${devicePath} -`);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    await vm().dropCaches();
    for (const magic of LUKS_MAGIC) expect(await disk.find(magic)).toBeDefined();
  });

  it('answers the CLI as it answers the agent', async () => {
    const ask = (bundle: string) =>
      vm().run(['sealift', 'pull', '--socket', SOCKET, '--bundle', bundle, reference(), '--json']);
    const { stdout } = await ask('/run/kata-containers/cli');
    expect(JSON.parse(stdout.toString()).result.manifestDigest).toBe(image.manifest.digest);
    await vm().mustRun(['umount', '/run/kata-containers/cli/rootfs']);
    // A refusal carries the daemon's own code and message.
    const refused = await ask('/run/elsewhere');
    expect(JSON.parse(refused.stdout.toString()).error).toMatchObject({
      code: 'BUNDLE_INVALID',
      message: expect.stringContaining('/run/elsewhere'),
    });
    await expect.poll(() => listUppers(STORE)).toHaveLength(1);
  });

  it('answers eight pulls at once, and when their containers have run their uppers are gone', async () => {
    const bundles = await Promise.all(Array.from({ length: 8 }, (_, index) => pull(index % 2 === 0 ? image : other)));
    const said = await Promise.all(bundles.map(runContainer));
    expect(said).toEqual(Array.from({ length: 8 }, (_, index) => (index % 2 === 0 ? 'known words' : 'other words')));
    expect(await listUppers(STORE)).toHaveLength(9);
    await vm().mustRun(['umount', ...bundles.map((bundle) => `${bundle}/rootfs`)]);
    await expect.poll(() => listUppers(STORE)).toHaveLength(1);
    expect(await listLayers()).toHaveLength(3);
  });

  it('is found again after SIGKILL, with what containers have mounted, and goes on', async () => {
    const bundle = await pull();
    const before = await mappings();
    await daemon.kill();
    expect(await daemon.exited).toBe(137);
    daemon = await startDaemon();
    await agent.reconnect();
    expect((await vm().run(['head', '-c', '11', `${bundle}/rootfs/words`])).stdout.toString()).toBe('known words');
    const next = await pull();
    expect(await runContainer(next)).toBe('known words');
    expect(await mappings()).toEqual(before);
    expect((await vm().mustRun(['sh', '-c', `grep -c ' ${STORE} ' /proc/mounts`])).trim()).toBe('1');
    // A container from the time before the disk, and before this run.
    await vm().mustRun(['umount', '/run/kata-containers/c2/rootfs']);
    await expect.poll(() => listUppers(MEMORY)).toEqual([]);
    // The daemon no longer looks for layers there.
    await expect.poll(() => listLayers(MEMORY)).toEqual([]);
  });

  it('keeps a deadline, leaves the bundle empty, and answers the next call', async () => {
    // Accepts connections and never sends anything.
    const mute = createServer((socket) => socket.on('error', () => undefined));
    await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve));
    const { port } = mute.address() as AddressInfo;
    const bundle = '/run/kata-containers/late';
    await vm().mustRun(['mkdir', '-p', bundle]);
    const before = performance.now();
    // The image is not in the store: one that is would need no network.
    const name = `${vm().registryHost}:${port}/none/none@sha256:${'0'.repeat(64)}`;
    const { status } = await agent.tryPull(name, bundle, { timeoutMs: 1_500 });
    expect(status).toBe(4);
    expect(performance.now() - before).toBeLessThan(AT_ONCE_MS);
    await expect.poll(async () => (await shell(`ls ${bundle}`)).stdout.toString()).toBe('');
    mute.close();
    await pull();
  });

  it('keeps layers without containers until they are pruned, and then has the room back', async () => {
    await vm().mustRun(['sh', '-c', 'awk \'$3=="overlay"{print $2}\' /proc/mounts | xargs umount']);
    await expect.poll(() => listUppers(STORE)).toEqual([]);
    expect(await listLayers()).toHaveLength(3);
    await vm().mustRun(['sealift', 'rm', '--daemon', '-c', CONFIG, other.manifest.digest]);
    expect(await listLayers()).toHaveLength(2);
    await vm().mustRun(['sealift', 'prune', '--all', '--daemon', '-c', CONFIG]);
    expect(await listLayers()).toEqual([]);
    expect((await mappings()).filter((name) => !name.startsWith('sealift-image-store'))).toEqual([]);
    expect(await usedKib()).toBeLessThanOrEqual(emptyKib + 64);
    await pull();
  });

  it('stops when it is told to, and leaves what is mounted', async () => {
    await daemon.kill('SIGTERM');
    expect(await daemon.exited).toBe(0);
    expect((await vm().run(['test', '-e', SOCKET])).code).toBe(1);
    expect((await shell(`grep -c ' overlay ' /proc/mounts`)).code).toBe(0);
  });

  it('starts a signed image with policy, key and credentials from kbs://, and denies it with another key', async () => {
    const { username, password } = REGISTRY_CREDENTIALS;
    await using cleanup = new AsyncDisposableStack();
    const bed = cleanup.adopt(await PullBed.open({ kind: 'basic', username, password }), (opened) => opened.close());
    const signer = makeSigner();
    const { digest, layers } = bed.serveImage([[dir('etc'), file('etc/word', 'signed')]], { tag: '1' });
    const host = bed.registry.host.replace('127.0.0.1', vm().registryHost);
    const signature = signPayload(signer, payloadFor(digest, `${host}/app`));
    attachUnderTag(bed.registry, { repository: 'app', digest }, [signature]);
    const auth = Buffer.from(`${username}:${password}`).toString('base64');
    const signedIdentity = { type: 'matchRepository' };
    const write = (key: string) => {
      const requirement = { type: 'sigstoreSigned', keyPath: `kbs:///default/${key}/1`, signedIdentity };
      const resources = Object.entries({
        'default/security-policy/1': JSON.stringify({ default: [requirement] }),
        'default/credential/1': JSON.stringify({ auths: { [host]: { auth } } }),
        'default/signer/1': signer.publicKey,
        'default/stranger/1': makeSigner().publicKey,
      }).map(([name, text]) => [name, Buffer.from(text).toString('base64')]);
      return vm().writeFile(RESOURCES, JSON.stringify(Object.fromEntries(resources)));
    };
    await vm().writeFile(CONFIG, `${SETTINGS}${FROM_BROKER}`);
    await write('stranger');
    daemon = await startDaemon();
    await agent.reconnect();
    const bundle = '/run/kata-containers/signed';
    await vm().mustRun(['mkdir', '-p', bundle]);
    const denied = await agent.tryPull(`${host}/app:1`, bundle);
    expect(denied).toMatchObject({
      status: 13,
      message: expect.stringContaining('Image policy rejected: Denied by policy'),
    });
    expect(denied.message).toContain('it is not by the key of the requirement (kbs:///default/stranger/1)');
    expect(layers.map((layer) => bed.fetchesOf(layer))).toEqual([0]);
    expect((await shell(`ls ${bundle}`)).stdout.toString()).toBe('');
    await write('signer');
    expect(await agent.pullImage(`${host}/app:1`, bundle)).toBe(digest);
    expect(await vm().mustRun(['cat', `${bundle}/rootfs/etc/word`])).toBe('signed');
  });
});
