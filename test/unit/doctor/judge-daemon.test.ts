import { describe, expect, it } from 'vitest';
import type { DaemonFindings, SocketFinding } from '../../../src/doctor/daemon-types.ts';
import { judgeDaemon } from '../../../src/doctor/judge-daemon.ts';
import type { Check } from '../../../src/doctor/types.ts';
import { SealiftError, toPlainError } from '../../../src/errors/index.ts';
import { HEALTHY_DAEMON, SOCKET, TIMEOUTS } from './daemon-sample.ts';

const ERROR = toPlainError(new SealiftError('VOLUME_DEVICE_FAILED', 'image store: 254:0: EIO'));
const MEMORY = { kind: 'memory', directory: '/run/image-memory', reason: 'no device for the image store' } as const;
const { store, abilities, programs } = HEALTHY_DAEMON;

function check(name: string, change: Partial<DaemonFindings> = {}): Check | undefined {
  return judgeDaemon({ ...HEALTHY_DAEMON, ...change }).find((each) => each.name === name);
}

function socket(change: Partial<SocketFinding>): Pick<DaemonFindings, 'sockets'> {
  const [healthy] = HEALTHY_DAEMON.sockets;
  return { sockets: [{ ...(healthy as SocketFinding), ...change }] };
}

describe('judgeDaemon', () => {
  it('has a stable list of names, and no complaint about a healthy daemon', () => {
    const checks = judgeDaemon(HEALTHY_DAEMON);
    expect(checks.map(({ name }) => name)).toEqual([
      ...['daemon-configuration', 'dm-crypt', 'dm-integrity', 'dm-verity', 'aegis128', 'programs'],
      ...['daemon-store', 'daemon-sockets', 'launch-timeout', 'mount-timeout', 'pull-timeout'],
    ]);
    expect(checks.filter(({ status, remedy }) => status !== 'ok' || remedy !== undefined)).toEqual([]);
  });

  it.each<[string, Check['status'], Partial<DaemonFindings>]>([
    [
      'daemon-configuration',
      'fail',
      { obstacle: { code: 'CONFIG_UNSUPPORTED', message: 'not built', hint: 'take it out' } },
    ],
    ['daemon-configuration', 'warn', { warnings: ['file /c.toml: image.x: unknown setting, ignored'] }],
    ['dm-crypt', 'warn', { abilities: { ...abilities, 'dm-crypt': 'absent' } }],
    ['dm-integrity', 'warn', { abilities: { ...abilities, 'dm-integrity': 'absent' } }],
    ['dm-verity', 'warn', { abilities: { ...abilities, 'dm-verity': 'absent' } }],
    ['aegis128', 'fail', { abilities: { ...abilities, aegis128: 'absent' }, integrity: 'aegis128' }],
    ['programs', 'warn', { programs: { ...programs, cryptsetup: undefined } }],
    ['programs', 'warn', { programs: { ...programs, cryptsetup: { path: '/usr/sbin/cryptsetup', version: '2.4.3' } } }],
    ['daemon-store', 'warn', { store: { ...store, state: 'preparing', backing: undefined } }],
    ['daemon-store', 'fail', { store: { ...store, state: 'failed', backing: undefined, error: ERROR } }],
    ['daemon-store', 'fail', { store: { ...store, state: 'stalled', backing: undefined, error: ERROR } }],
    ['daemon-store', 'warn', { store: { ...store, state: 'failed', backing: MEMORY, error: ERROR } }],
    ['daemon-sockets', 'warn', socket({ facts: { kind: 'absent' }, server: undefined })],
    ['daemon-sockets', 'fail', socket({ facts: { kind: 'other' }, server: undefined })],
    ['daemon-sockets', 'warn', socket({ server: 'none' })],
    ['daemon-sockets', 'fail', socket({ server: 'silent' })],
    ['daemon-sockets', 'fail', socket({ server: 'other' })],
    ['daemon-sockets', 'warn', socket({ facts: { kind: 'socket', owner: 0, mode: 0o666 } })],
    ['daemon-sockets', 'warn', socket({ facts: { kind: 'socket', owner: 1_000, mode: 0o600 } })],
    ['launch-timeout', 'warn', { timeouts: { ...TIMEOUTS, launch: { ...TIMEOUTS.launch, seconds: 1 } } }],
    ['mount-timeout', 'warn', { timeouts: { ...TIMEOUTS, mount: { ...TIMEOUTS.mount, seconds: 5 } } }],
    ['pull-timeout', 'warn', { timeouts: { ...TIMEOUTS, pull: { ...TIMEOUTS.pull, seconds: 60 } } }],
    ['pull-timeout', 'fail', { timeouts: { ...TIMEOUTS, pull: { ...TIMEOUTS.pull, problem: 'expected seconds' } } }],
  ])('%s: %s, with what to do about it', (name, status, change) => {
    expect(check(name, change)).toMatchObject({ status, detail: expect.any(String), remedy: expect.any(String) });
  });

  it('says of the store where it lies, how it is guarded and what is left', () => {
    expect(check('daemon-store')?.detail).toBe(
      'device at /run/image (image store on 254:0), 1024 of 2048 MiB free; capi:authenc(hmac(sha256),xts(aes))-plain64, integrity hmac-sha256',
    );
    const memory = { ...store, state: 'absent', backing: MEMORY, space: undefined } as const;
    expect(check('daemon-store', { store: memory })).toMatchObject({
      status: 'ok',
      detail: 'memory at /run/image-memory (no device for the image store)',
    });
  });

  it('tells where the programs are and of which versions, as far as they say', () => {
    expect(check('programs')?.detail).toBe('/usr/sbin/cryptsetup 2.6.1, /usr/sbin/mkfs.ext4 1.47.0');
    const silent = { ...programs, cryptsetup: { path: '/sbin/cryptsetup', version: undefined } };
    expect(check('programs', { programs: silent })).toMatchObject({
      status: 'ok',
      detail: '/sbin/cryptsetup, /usr/sbin/mkfs.ext4 1.47.0',
    });
  });

  it('gives the words and the hint of what keeps the store from being used', () => {
    const failed = check('daemon-store', { store: { ...store, state: 'failed', backing: undefined, error: ERROR } });
    expect(failed).toMatchObject({ detail: expect.stringContaining('EIO'), remedy: ERROR.hint });
  });

  it('has nothing against modules that are loaded when they are used', () => {
    const loadable = {
      'dm-crypt': 'loadable',
      'dm-integrity': 'loadable',
      'dm-verity': 'loadable',
      aegis128: 'loadable',
    } as const;
    const checks = judgeDaemon({ ...HEALTHY_DAEMON, abilities: loadable });
    expect(checks.filter(({ status }) => status !== 'ok')).toEqual([]);
  });

  it('does without aegis128 where nobody asks for it, and points to it where it is', () => {
    expect(check('aegis128', { abilities: { ...abilities, aegis128: 'absent' } })?.status).toBe('ok');
    expect(check('aegis128')?.detail).toContain('volume.integrity = "aegis128"');
    expect(check('aegis128', { integrity: 'aegis128' })?.detail).not.toContain('volume.integrity');
  });

  it('tells of the worst socket', () => {
    const [healthy] = HEALTHY_DAEMON.sockets;
    const worse = { path: '/run/other.sock', facts: { kind: 'other' }, server: undefined } as const;
    const stale = { ...(healthy as SocketFinding), server: 'none' } as const;
    expect(check('daemon-sockets', { sockets: [stale, worse] })?.detail).toBe('/run/other.sock is not a socket');
    expect(check('daemon-sockets')?.detail).toBe(`sealiftd answers on ${SOCKET}`);
  });

  it('names all three who may give a pull up, when, and what to set', () => {
    const { detail = '' } = check('pull-timeout') ?? {};
    for (const word of ['1200 s (default)', '60 s', '120 s', 'create_container_timeout', 'runtimeRequestTimeout']) {
      expect(detail).toContain(word);
    }
    const short = { ...TIMEOUTS, pull: { ...TIMEOUTS.pull, seconds: 60, origin: 'kernel command line' } };
    expect(check('pull-timeout', { timeouts: short })).toMatchObject({
      detail: expect.stringContaining('60 s (kernel command line)'),
      remedy: expect.stringContaining('agent.image_pull_timeout=1200'),
    });
  });
});
