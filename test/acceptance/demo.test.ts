import { readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { runCommand } from '../support/machine/commands.ts';
import { mountsBelow } from '../support/machine/mounts.ts';
import { describeWith } from '../support/machine/needs.ts';

const DEMO = fileURLToPath(new URL('../../scripts/demo-local.ts', import.meta.url));
const leftovers = (): string[] => readdirSync(tmpdir()).filter((name) => name.startsWith('sealift-demo-'));

describeWith(['root', 'docker-registry', 'crun', 'busybox'], 'make demo', () => {
  it('pulls, mounts, runs the containers, shows a table and leaves nothing', async () => {
    const before = leftovers();
    const { code, stdout, stderr } = await runCommand(process.execPath, [DEMO]);
    expect(stderr).toBe('');
    expect(code).toBe(0);
    expect(stdout.toString()).toContain('Hello from busybox');
    expect(stdout.toString()).toContain('Hello from Debian');
    expect(leftovers()).toEqual(before);
    expect(mountsBelow(tmpdir()).filter((path) => path.includes('sealift-demo-'))).toEqual([]);
  });
});
