import { once } from 'node:events';
import { existsSync, lstatSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { TestBed } from '../support/beds/test-bed.ts';
import type { BuiltImage } from '../support/builders/image-builder.ts';
import { buildSmallImage } from '../support/builders/small-image.ts';
import { DaemonProcess } from '../support/daemons/daemon-process.ts';
import { describeWith } from '../support/machine/needs.ts';
import { runSealift } from '../support/programs/sealift-command.ts';

describeWith(['root', 'docker-registry'], 'health of sealiftd, and what the doctor says of it', () => {
  let bed: TestBed;
  let image: BuiltImage;
  let daemon: DaemonProcess;

  beforeEach(async () => {
    bed = await TestBed.open();
    image = await buildSmallImage(bed.scratch.path);
    await bed.push('small', 'latest', image);
    daemon = new DaemonProcess();
  });

  afterEach(async () => {
    await daemon[Symbol.asyncDispose]();
    await bed[Symbol.asyncDispose]();
  });

  const socket = () => daemon.path('health.sock');
  const withHealth = () => ({ api: `health = "unix://${socket()}"` });

  async function ask(path: string): Promise<{ readonly status: number; readonly body: string }> {
    const asked = request({ socketPath: socket(), path, agent: false });
    asked.end();
    const [response] = await once(asked, 'response');
    let body = '';
    for await (const chunk of response) body += chunk;
    return { status: response.statusCode, body };
  }

  async function startWithHealth(more = ''): Promise<void> {
    daemon.writeConfig({ ...withHealth(), more });
    await daemon.start();
    await expect.poll(() => existsSync(socket())).toBe(true);
  }

  const pull = (reference: string, bundle: string) =>
    runSealift([
      'pull',
      '--socket',
      daemon.socket,
      '--bundle',
      daemon.path('bundles', bundle),
      bed.reference(reference),
    ]);

  async function metric(name: string): Promise<number> {
    const { body } = await ask('/metrics');
    const line = body.split('\n').find((each) => each.startsWith(`${name} `));
    return line === undefined ? Number.NaN : Number(line.slice(name.length));
  }

  async function findings(): Promise<{ code: number; checks: Record<string, { status: string; detail: string }> }> {
    const { code, result } = await runSealift(['doctor', '--daemon', '-c', daemon.config]);
    const checks = result['checks'] as { name: string; status: string; detail: string }[];
    return { code, checks: Object.fromEntries(checks.map((check) => [check.name, check])) };
  }

  it('tells of each pull, by its outcome, and of the store', async () => {
    await startWithHealth();
    expect(lstatSync(socket()).mode & 0o777).toBe(0o600);
    expect(await ask('/healthz')).toMatchObject({ status: 200 });
    expect(await metric('sealift_pulls_total{outcome="ok"}')).toBeNaN();
    expect((await pull(`small@${image.top.digest}`, 'c1')).error).toBeUndefined();
    expect((await pull(`small@${image.top.digest}`, 'c2')).error).toBeUndefined();
    expect((await pull('small:latest', 'c3')).error?.code).toBe('POLICY_TAG_UNPINNED');
    expect(await metric('sealift_pulls_total{outcome="ok"}')).toBe(2);
    expect(await metric('sealift_pulls_total{outcome="POLICY_TAG_UNPINNED"}')).toBe(1);
    expect(await metric('sealift_pull_seconds_count{result="ok"}')).toBe(2);
    expect(await metric('sealift_pulls_under_way')).toBe(0);
    expect(await metric('sealift_policy_verdicts_total{requirement="none",result="accepted"}')).toBe(2);
    expect(await metric('sealift_policy_verdicts_total{requirement="none",result="denied"}')).toBe(1);
    expect(await metric('sealift_policy_seconds_count{result="refused"}')).toBe(1);
    // Once for both pulls.
    const compressed = image.layers.reduce((sum, { size }) => sum + size, 0);
    expect(await metric('sealift_fetched_bytes_total')).toBe(compressed);
    expect(await metric('sealift_store_size_bytes{place="memory"}')).toBe(268_435_456);
    expect(await metric('process_resident_memory_bytes')).toBeGreaterThan(20e6);
    // The metrics reveal nothing about tenants.
    expect((await ask('/metrics')).body).not.toMatch(/small|sha256|127\.0\.0\.1/);
    expect(await daemon.stop()).toBe(0);
    expect(existsSync(socket())).toBe(false);
  });

  it('is not well while pulls are refused, and says why', async () => {
    await startWithHealth('[image]\nsigstore_config_uri = "kbs:///default/sigstore/1"\n');
    const { status, body } = await ask('/healthz');
    expect(status).toBe(503);
    expect(JSON.parse(body)).toMatchObject({
      status: 'unavailable',
      obstacle: { code: 'CONFIG_UNSUPPORTED', message: expect.stringContaining('sigstore_config_uri') },
    });
  });

  it('serves pulls all the same when its socket cannot be made', async () => {
    writeFileSync(socket(), 'a file in its place');
    daemon.writeConfig(withHealth());
    await daemon.start();
    await expect.poll(() => daemon.log).toContain('HEALTH_SOCKET_INVALID');
    expect((await pull(`small@${image.top.digest}`, 'c1')).error).toBeUndefined();
  });

  it('is off unless it is asked for', async () => {
    daemon.writeConfig();
    await daemon.start();
    expect((await pull(`small@${image.top.digest}`, 'c1')).error).toBeUndefined();
    expect(daemon.log).not.toContain('health');
  });

  it('is found by the doctor, running, gone, and killed', async () => {
    daemon.writeConfig();
    expect((await findings()).checks['daemon-sockets']).toMatchObject({ status: 'warn' });
    await daemon.start();
    const running = await findings();
    expect(running.checks['daemon-sockets']).toMatchObject({
      status: 'ok',
      detail: `sealiftd answers on ${daemon.socket}`,
    });
    expect(running.checks['daemon-store']?.detail).toContain(daemon.path('image-memory'));
    const failed = Object.values(running.checks).some(({ status }) => status === 'fail');
    expect(running.code).toBe(failed ? 5 : 0);
    await daemon.stop('SIGKILL');
    expect((await findings()).checks['daemon-sockets']).toMatchObject({
      status: 'warn',
      detail: `${daemon.socket} is left over from a daemon that was killed: no process answers`,
    });
  });
});
