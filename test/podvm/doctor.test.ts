import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeWith } from '../support/machine/needs.ts';
import { AgentClient } from '../support/podvm/agent-calls.ts';
import { ReapedFolder } from '../support/podvm/supervised-process.ts';
import type { GuestProcess } from '../support/podvm/types.ts';
import { POD_VM_NEEDS, usePodVm } from '../support/podvm/use-pod-vm.ts';

const GIB = 1 << 30;
const DAEMON = '/usr/lib/sealift/sealiftd';
const CONFIG = '/run/sealiftd.toml';
const SOCKET = '/run/confidential-containers/cdh.sock';
const HEALTH = '/run/sealift-health.sock';
const STORE = '/run/kata-containers/image';

interface Finding {
  readonly status: string;
  readonly detail: string;
  readonly remedy?: string;
}

/** A disk under real dm-crypt, a kernel that has its modules, and a kernel command line that says something. */
describeWith(POD_VM_NEEDS, 'doctor and health in the pod VM', () => {
  const scratch = new ReapedFolder('doctor');
  const vm = usePodVm({
    name: 'doctor',
    disks: [{ serial: 'store', size: GIB, nbd: true }],
    kernelParameters: 'agent.image_pull_timeout=90 agent.launch_process_timeout=12',
  });
  let daemon: GuestProcess;
  let agent: AgentClient;

  beforeAll(async () => {
    await vm().writeFile(CONFIG, `[api]\nhealth = "${HEALTH}"\n`);
    daemon = await vm().spawn([DAEMON, '-c', CONFIG]);
    daemon.stdout.resume();
    daemon.stderr.resume();
    await vm().mustRun(['sh', '-c', `until test -S ${SOCKET} && test -S ${HEALTH}; do usleep 20000; done`]);
    agent = await AgentClient.open(vm(), SOCKET, scratch.path);
  });

  afterAll(async () => {
    await agent?.close();
    await scratch[Symbol.asyncDispose]();
  });

  async function doctor(): Promise<{ readonly code: number; readonly checks: Readonly<Record<string, Finding>> }> {
    const { code, stdout } = await vm().run(['sealift', 'doctor', '--daemon', '-c', CONFIG, '--json']);
    const { result, error } = JSON.parse(stdout.toString());
    expect(error).toBeUndefined();
    return { code, checks: Object.fromEntries(result.checks.map((check: { name: string }) => [check.name, check])) };
  }

  async function health(path: string): Promise<{ readonly status: number; readonly body: string }> {
    const socket = await vm().connect(HEALTH);
    socket.write(`GET ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`);
    let answer = '';
    for await (const chunk of socket) answer += chunk;
    const [head = '', body = ''] = answer.split('\r\n\r\n', 2);
    return { status: Number(head.split(' ')[1]), body };
  }

  it('finds all that the store’s disk takes, and what the kernel command line says', async () => {
    const { code, checks } = await doctor();
    expect(Object.values(checks).filter(({ status }) => status === 'fail')).toEqual([]);
    expect(code).toBe(0);
    // Loaded when the VM came up.
    for (const name of ['dm-crypt', 'dm-integrity', 'dm-verity']) {
      expect(checks[name]).toMatchObject({ status: 'ok', detail: 'available in the kernel' });
    }
    expect(checks['aegis128']).toMatchObject({ status: 'ok', detail: expect.stringContaining('loads it as a module') });
    expect(checks['programs']?.detail).toMatch(/\/cryptsetup [0-9.]+, \S*\/mkfs\.ext4 [0-9.]+$/);
    expect(checks['daemon-sockets']).toMatchObject({ status: 'ok', detail: `sealiftd answers on ${SOCKET}` });
    expect(checks['daemon-store']).toMatchObject({ status: 'ok', detail: expect.stringContaining('memory at') });
    // The guest has no package of it.
    const isal = '/usr/lib/sealift/lib/libisal.so.2';
    expect(checks['inflate']).toMatchObject({ status: 'ok', detail: `gzip is inflated by ISA-L, ${isal}` });
    // The bounds are those of the daemon, for every program that asks.
    expect(checks['open-files']).toMatchObject({
      status: 'ok',
      detail: expect.stringContaining('the daemon may open'),
    });
    for (const name of ['memory', 'threads', 'loop-nodes', 'clock', 'overlay-upper', 'data-inodes', 'proxy']) {
      expect(checks[name]).toMatchObject({ status: 'ok', detail: expect.any(String) });
    }
    expect(checks['resolver']?.status).toMatch(/^(ok|warn)$/);
    expect(checks['launch-timeout']?.detail).toContain('12 s (kernel command line)');
    expect(checks['mount-timeout']?.detail).toContain('50 s (default)');
    expect(checks['pull-timeout']).toMatchObject({
      status: 'warn',
      detail: expect.stringContaining('90 s (kernel command line)'),
    });
  });

  it('loads nothing to find out', async () => {
    expect((await vm().run(['grep', '-q', '^aegis128', '/proc/modules'])).code).toBe(1);
  });

  it('tells how the store is guarded once there is a disk, and so does health', async () => {
    const { deviceId } = await vm().disk('store');
    await agent.secureMount(deviceId, STORE);
    expect((await doctor()).checks['daemon-store']).toMatchObject({
      status: 'ok',
      // The room is left out where the emulated machine was too slow to be asked.
      detail: expect.stringMatching(/^device at \/run\/kata-containers\/image \(image store on .*\).*; .*hmac-sha256$/),
    });
    const { status, body } = await health('/healthz');
    expect(status).toBe(200);
    expect(JSON.parse(body)).toMatchObject({
      status: 'ok',
      store: { state: 'ready', place: 'device', integrity: 'hmac-sha256' },
    });
    const metrics = async () => (await health('/metrics')).body;
    expect(await metrics()).toContain('sealift_store_state{state="ready"} 1\n');
    await expect.poll(metrics).toMatch(/^sealift_store_size_bytes\{place="device"\} [0-9]{8,}$/m);
  });

  it('is answered while the disk hangs, without one thread more for each question', async () => {
    const disk = await vm().disk('store');
    await vm().dropCaches();
    await disk.stall();
    try {
      // A pull probes the disk, waits for it in vain, and is refused.
      const bundle = '/run/kata-containers/c1';
      await vm().mustRun(['mkdir', '-p', bundle]);
      const name = `${vm().registryHost}:1/none/none@sha256:${'0'.repeat(64)}`;
      await agent.tryPull(name, bundle);
      const stuck = new Set<number>();
      for (let asked = 0; asked < 5; asked += 1) {
        const { status, body } = await health('/healthz');
        expect(status).toBe(503);
        const document = JSON.parse(body);
        expect(document).toMatchObject({ status: 'unavailable', store: { state: 'stalled' } });
        stuck.add(document.stuckThreads);
        expect((await health('/metrics')).body).toContain('sealift_store_state{state="stalled"} 1\n');
      }
      expect([...stuck]).toEqual([1]);
      expect((await doctor()).checks['daemon-store']).toMatchObject({ status: 'fail' });
    } finally {
      await disk.unstall();
    }
  });
});
