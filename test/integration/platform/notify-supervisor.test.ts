import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { afterEach, describe, expect, it } from 'vitest';
import { notifySupervisor } from '../../../src/platform/index.ts';
import { Scratch } from '../../support/machine/scratch.ts';
import { expectFailure } from '../../support/matchers.ts';

/** Receives datagrams with perl, which prints each in hexadecimal: Node has no datagram sockets of this family. */
const RECEIVER = `
use Socket; $| = 1;
socket(my $s, AF_UNIX, SOCK_DGRAM, 0) or die; bind($s, pack_sockaddr_un($ARGV[0] =~ s/^@/\\0/r)) or die;
print "ready\\n"; while (defined recv($s, my $m, 4096, 0)) { print unpack("H*", $m), "\\n" }`;

let receiver: ChildProcess | undefined;

afterEach(() => void receiver?.kill());

async function receive(address: string): Promise<AsyncIterator<string>> {
  const child = spawn('perl', ['-e', RECEIVER, address], { stdio: ['ignore', 'pipe', 'inherit'] });
  receiver = child;
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  expect((await lines.next()).value).toBe('ready');
  return lines;
}

async function next(lines: AsyncIterator<string>): Promise<string> {
  return Buffer.from((await lines.next()).value ?? '', 'hex').toString();
}

describe('notifySupervisor', () => {
  it('sends one datagram with all assignments to the socket of the path', async () => {
    using scratch = new Scratch('notify');
    const path = scratch.join('socket');
    const lines = await receive(path);
    notifySupervisor(path, 'READY=1', 'STATUS=listening');
    notifySupervisor(path, 'STOPPING=1');
    expect([await next(lines), await next(lines)]).toEqual(['READY=1\nSTATUS=listening', 'STOPPING=1']);
  });

  it('reaches a socket of the abstract namespace', async () => {
    const name = `@sealift-test-${process.pid}`;
    const lines = await receive(name);
    notifySupervisor(name, 'READY=1');
    expect(await next(lines)).toBe('READY=1');
  });

  it('does nothing without a supervisor', () => {
    notifySupervisor(undefined, 'READY=1');
    notifySupervisor('', 'READY=1');
  });

  it.each([
    ['nobody listens', '/nonexistent/socket', 'ENOENT'],
    ['the address is too long', `/${'x'.repeat(108)}`, 'EINVAL'],
  ])('says when %s', async (_, address, errno) => {
    const { context } = await expectFailure('PLATFORM_CALL_FAILED', () => notifySupervisor(address, 'READY=1'));
    expect(context['errno']).toBe(errno);
  });
});
