import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { ReportedCheck } from '../../src/doctor/index.ts';
import { readControlGroup } from '../../src/doctor/read-control-group.ts';
import { runCommand } from '../support/machine/commands.ts';
import { describeWith } from '../support/machine/needs.ts';
import { Scratch } from '../support/machine/scratch.ts';
import { SEALIFT } from '../support/programs/sealift-command.ts';

/** An address of this machine that has no name server. */
const SILENT = '127.41.53.1';

interface Examined {
  readonly code: number;
  readonly checks: Readonly<Record<string, ReportedCheck>>;
}

describeWith(['root', 'unshare'], 'sealift doctor on a machine that lacks something', () => {
  const scratch = new Scratch('doctor');
  const env = { PATH: process.env['PATH'] ?? '', HOME: scratch.path };

  // libc gives up after its only attempt, soon after the doctor, and the program ends. By itself it would try once more.
  const RESOLV_CONF = `nameserver ${SILENT}\noptions timeout:7 attempts:1\n`;

  beforeAll(() => writeFileSync(scratch.join('resolv.conf'), RESOLV_CONF));
  afterAll(() => scratch[Symbol.dispose]());

  /** Runs the doctor in a mount namespace of its own, after `preparation`. */
  async function doctor(preparation: string, ...parameters: readonly string[]): Promise<Examined> {
    const script = `${preparation}; exec "$0" doctor --store "${scratch.join('store')}" --json "$@"`;
    const run = await runCommand('unshare', ['-m', 'sh', '-ec', script, SEALIFT, ...parameters], { env });
    const { result } = JSON.parse(run.stdout.toString()) as { result: { checks: readonly ReportedCheck[] } };
    return { code: run.code, checks: Object.fromEntries(result.checks.map((check) => [check.name, check])) };
  }

  it('has no resolv.conf, as a pod VM before the agent writes one', async () => {
    const { code, checks } = await doctor('mount --bind /dev/null /etc/resolv.conf', 'nobody.invalid/app:1');
    expect(checks['resolver']).toMatchObject({
      status: 'warn',
      detail: 'there is no /etc/resolv.conf',
      remedy: expect.stringContaining('sealiftd waits for it'),
    });
    expect(checks['name-lookup']).toMatchObject({ status: 'warn', subject: 'nobody.invalid' });
    expect(checks['registry']).toMatchObject({ status: 'fail', subject: 'nobody.invalid' });
    expect(code).toBe(5);
    const names = (await doctor('mount --bind /dev/null /etc/resolv.conf')).checks;
    expect(names['name-lookup']).toBeUndefined();
  });

  it('has a name server that does not answer, and waits for it no longer than it says', async () => {
    const server = createSocket('udp4').bind(53, SILENT);
    await once(server, 'listening');
    const questions: Buffer[] = [];
    server.on('message', (question: Buffer) => questions.push(question));
    try {
      const conf = scratch.join('registries.conf');
      writeFileSync(conf, '[[registry]]\nlocation = "app.io"\n[[registry.mirror]]\nlocation = "mirror.example/app"\n');
      const prepare = `mount --bind "${scratch.join('resolv.conf')}" /etc/resolv.conf`;
      const { code, checks } = await doctor(prepare, '--registries-conf', conf);
      expect(checks['name-lookup']).toMatchObject({
        status: 'warn',
        detail: expect.stringContaining('within 5000 ms'),
      });
      expect(code).toBe(0);
      expect(questions.length).toBeGreaterThan(0);
    } finally {
      server.close();
    }
  });

  it('may open few files', async () => {
    const { checks } = await doctor('ulimit -n 200');
    expect(checks['open-files']).toMatchObject({ status: 'warn', detail: expect.stringContaining('open 200 files') });
    expect((await doctor('ulimit -n 4096')).checks['open-files']).toMatchObject({ status: 'ok' });
  });

  it('is in a control group, the least of whose bounds counts', () => {
    const [, path = '/'] = /^0::(.*)$/m.exec(readFileSync('/proc/self/cgroup').toString('utf8')) ?? [];
    const root = scratch.join('cgroup');
    const own = join(root, path, 'own');
    mkdirSync(own, { recursive: true });
    const nothing = { memoryLimitBytes: undefined, threadsLeft: undefined };
    expect(readControlGroup('self', root)).toEqual(nothing);
    writeFileSync(join(root, path, 'memory.max'), 'max\n');
    writeFileSync(join(root, path, 'pids.max'), '100\n');
    writeFileSync(join(root, path, 'pids.current'), '40\n');
    expect(readControlGroup('self', root)).toEqual({ ...nothing, threadsLeft: 60 });
    writeFileSync(join(root, path, 'memory.max'), '104857600\n');
    expect(readControlGroup('self', root)).toEqual({ memoryLimitBytes: 104_857_600, threadsLeft: 60 });
  });
});
