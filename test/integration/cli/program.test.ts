import { spawn } from 'node:child_process';
import { closeSync, constants, existsSync, mkdirSync, openSync, readdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PullBed } from '../../support/beds/pull-bed.ts';
import { file } from '../../support/builders/tar-builder.ts';
import { mustRun } from '../../support/machine/commands.ts';
import { AT_ONCE_MS } from '../../support/patience.ts';
import { SOURCE_ENVIRONMENT } from '../../support/programs/source-environment.ts';
import type { FaultAction } from '../../support/registries/fake-registry.ts';

const ENTRY = fileURLToPath(new URL('../../../src/bin/sealift.ts', import.meta.url));
const LAYER = [file('data', Buffer.alloc(300_000, 'x'))];

let bed: PullBed;
beforeEach(async () => {
  bed = await PullBed.open();
});
afterEach(() => bed.close());

function start(parameters: readonly string[]) {
  const child = spawn(process.execPath, [ENTRY, ...parameters], {
    env: SOURCE_ENVIRONMENT,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const chunks: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  child.stderr.resume();
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  return { child, ended, output: () => Buffer.concat(chunks) };
}

describe('sealift whose standard error nobody reads', () => {
  it('still ends with the exit code of its failure', async () => {
    const { child, ended } = start(['inspect', 'UPPER/Case']);
    child.stderr.destroy();
    expect(await ended).toBe(2);
  });
});

describe('a signal', () => {
  const stalled: FaultAction = { kind: 'stall', afterBytes: 10 };
  it.each<[string, RegExp, FaultAction]>([
    ['the ping', /^\/v2\/$/, { kind: 'silence' }],
    ['a manifest', /\/manifests\//, stalled],
    ['a pause between two tries', /\/manifests\//, { kind: 'answer', status: 503, headers: { 'retry-after': '60' } }],
    ['a token', /\/token/, { kind: 'silence' }],
    ['the config', /\/blobs\//, stalled],
    ['a layer', /\/blobs\//, stalled],
  ])('during %s ends the pull at once, with one document and nothing left behind', async (phase, match, action) => {
    const image = bed.serveImage([LAYER], { tag: 'latest' });
    const [layer = ''] = image.layers;
    const expected = phase === 'a layer' ? new RegExp(layer) : match;
    if (phase === 'a token') {
      const challenge = { 'www-authenticate': `Bearer realm="${bed.registry.origin}/token"` };
      bed.registry.inject({ match: /^\/v2\/$/, times: 9, action: { kind: 'answer', status: 401, headers: challenge } });
    }
    bed.registry.inject({ match: expected, times: 9, action });
    const target = ['--tls-verify=false', '--insecure-policy', '--unpack', bed.path('tree'), '--json'];
    const { child, ended, output } = start(['pull', bed.reference('latest'), ...target]);
    await expect.poll(() => bed.registry.requestsTo(expected).length).toBeGreaterThan(0);
    const signalledMs = performance.now();
    child.kill(phase === 'a layer' ? 'SIGTERM' : 'SIGINT');
    expect(await ended).toBe(phase === 'a layer' ? 143 : 130);
    expect(performance.now() - signalledMs).toBeLessThan(AT_ONCE_MS);
    const [document, rest] = output().toString().split('\n');
    expect(rest).toBe('');
    expect(JSON.parse(document ?? '')).toMatchObject({ schema: 1, error: { code: 'PULL_CANCELLED' } });
    expect(existsSync(bed.path('tree'))).toBe(false);
    expect(readdirSync(bed.directory).filter((name) => name.startsWith('.tree'))).toEqual([]);
  });
});

describe('a signal while a configuration file is a pipe that does not answer', () => {
  const pipes: readonly [what: string, pipe: string, flags: (path: string) => readonly string[]][] = [
    ['the configuration', 'pipe', (pipe) => ['-c', pipe, '--insecure-policy']],
    ['the policy', 'pipe', (pipe) => ['--policy', pipe]],
    ['the credentials', 'pipe', (pipe) => ['--authfile', pipe, '--insecure-policy']],
    ['registries.conf', 'pipe', (pipe) => ['--registries-conf', pipe, '--insecure-policy']],
    ['a file of registries.conf.d', 'a.conf', (pipe) => ['--registries-conf-d', dirname(pipe), '--insecure-policy']],
    ['a certificate', 'ca.crt', (pipe) => ['--cert-dir', dirname(pipe), '--insecure-policy']],
  ];

  it.each(pipes)('%s ends the program', async (_, name, flags) => {
    bed.serveImage([LAYER], { tag: 'latest' });
    const pipe = bed.path(`configuration/${name}`);
    mkdirSync(dirname(pipe));
    await mustRun('mkfifo', [pipe]);
    const target = ['--unpack', bed.path('tree'), '--tls-verify=false', '--json'];
    const { child, ended, output } = start(['pull', bed.reference('latest'), ...target, ...flags(pipe)]);
    // Only while a process has opened the pipe for reading can it be opened for writing without blocking.
    let writer: number | undefined;
    await expect.poll(() => (writer ??= tryOpenWriter(pipe))).toBeDefined();
    const signalledMs = performance.now();
    child.kill('SIGTERM');
    expect(await ended).toBe(143);
    expect(performance.now() - signalledMs).toBeLessThan(AT_ONCE_MS);
    expect(JSON.parse(output().toString())).toMatchObject({ schema: 1, error: { code: 'PULL_CANCELLED' } });
    if (writer !== undefined) closeSync(writer);
  });

  it('reads a configuration that comes through a pipe', async () => {
    bed.serveImage([LAYER], { tag: 'latest' });
    const pipe = bed.path('pipe');
    await mustRun('mkfifo', [pipe]);
    const target = ['--unpack', bed.path('tree'), '--tls-verify=false', '--json'];
    const { ended } = start(['pull', bed.reference('latest'), ...target, '-c', pipe]);
    await mustRun('sh', ['-c', 'printf "[pull]\\ninsecure_policy = true\\n" > "$1"', 'sh', pipe]);
    expect(await ended).toBe(0);
  });
});

function tryOpenWriter(pipe: string): number | undefined {
  try {
    return openSync(pipe, constants.O_WRONLY | constants.O_NONBLOCK);
  } catch {
    return undefined;
  }
}

describe('inspect --raw', () => {
  it('writes an index byte for byte, also one that has nothing for this machine', async () => {
    const image = bed.serveImage([LAYER]);
    const foreign = { ...image, layers: undefined, platform: { os: 'plan9', architecture: 'vax' } };
    bed.serveIndex([foreign], 'foreign');
    const { ended, output } = start(['inspect', '--raw', bed.reference('foreign'), '--tls-verify=false']);
    expect(await ended).toBe(0);
    const document = { schemaVersion: 2, mediaType: 'application/vnd.oci.image.index.v1+json', manifests: [foreign] };
    expect(output().toString()).toBe(JSON.stringify(document));
  });
});
