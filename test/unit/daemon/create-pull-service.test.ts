import { describe, expect, it } from 'vitest';
import { createPullService } from '../../../src/daemon/create-pull-service.ts';
import type { PullServicePorts } from '../../../src/daemon/types.ts';
import { SealiftError } from '../../../src/errors/index.ts';
import type { Logger } from '../../../src/log/index.ts';
import type { PullRequest, PullResult } from '../../../src/pull/index.ts';
import { expectFailure } from '../../support/matchers.ts';

const DIGEST = `sha256:${'a'.repeat(64)}`;
const NEVER = new AbortController().signal;
const CALL = {
  imageUrl: 'registry.example/app:1',
  bundlePath: '/run/kata-containers/c1',
  requestId: 'r1',
  signal: NEVER,
};
const PARTS = { manifestDigest: DIGEST, signers: [], layers: [], warnings: [], layerFormat: 'erofs' };
const RESULT = PARTS as unknown as PullResult;

function world(change: Partial<PullServicePorts> = {}) {
  const seen = {
    requests: [] as PullRequest[],
    measured: [] as unknown[],
    undone: [] as string[],
    lines: [] as unknown[],
  };
  const logAs = (context: object): Logger => {
    const line = (level: string) => (fields: object, message: string) =>
      void seen.lines.push({ level, message, ...context, ...fields });
    const [trace, debug, info, warn, error] = ['trace', 'debug', 'info', 'warn', 'error'].map(line);
    return { trace, debug, info, warn, error, child: (more: object) => logAs({ ...context, ...more }) } as Logger;
  };
  const service = createPullService({
    settings: () => ({ bundleRoots: ['/run/kata-containers'], obstacle: undefined }),
    maxPulls: 2,
    pull: async (request) => {
      seen.requests.push(request);
      return RESULT;
    },
    undo: async (path) => void seen.undone.push(path),
    measure: async (image) => void seen.measured.push(image),
    log: logAs({}),
    checkpoint: () => undefined,
    nowMs: () => 0,
    ...change,
  });
  return { service, seen };
}

describe('createPullService', () => {
  it('pulls into the bundle of the agent, measures, and answers the digest of the manifest', async () => {
    const { service, seen } = world();
    expect(await service.pullImage(CALL)).toEqual({ manifestDigest: DIGEST });
    const target = { kind: 'bundle', directory: CALL.bundlePath, given: { roots: ['/run/kata-containers'] } };
    expect(seen.requests).toEqual([{ reference: CALL.imageUrl, target }]);
    expect(seen.measured).toEqual([{ image: CALL.imageUrl, digest: DIGEST }]);
    expect(seen.undone).toEqual([]);
  });

  it.each([
    [undefined, undefined],
    [60_000, 60_500],
  ])('turns the time-out %s of the caller into the deadline %s', async (timeoutMs, deadlineMs) => {
    const deadlines: unknown[] = [];
    const { service } = world({
      nowMs: () => 500,
      pull: async (_, options) => {
        deadlines.push(options.deadlineMs);
        return RESULT;
      },
    });
    await service.pullImage({ ...CALL, timeoutMs });
    expect(deadlines).toEqual([deadlineMs]);
  });

  it('gives every line of a call its request id', async () => {
    const { service, seen } = world();
    await service.pullImage(CALL);
    expect(seen.lines).toMatchObject([
      { requestId: 'r1', message: 'pull requested' },
      { requestId: 'r1', message: 'pull finished', digest: DIGEST },
    ]);
  });

  it('says in the log whose signatures were accepted, and nothing of them where the policy asks for none', async () => {
    const times = { loggedAt: undefined, stampedAt: undefined };
    const author = { kind: 'sigstore-key', key: 'team.pub', keyId: 'ab', ...times } as const;
    const signers = [{ ...author, signedReference: undefined, origin: 'registry.example/app:1' }];
    for (const [result, expected] of [
      [{ ...RESULT, signers }, { signers }],
      [RESULT, {}],
    ] as const) {
      const { service, seen } = world({ pull: async () => result });
      await service.pullImage(CALL);
      expect(seen.lines.at(-1)).toEqual(expect.objectContaining({ message: 'pull finished', ...expected }));
      expect(Object.hasOwn(Object(seen.lines.at(-1)), 'signers')).toBe('signers' in expected);
    }
  });

  it('refuses every pull, and pulls nothing, while the configuration cannot be honoured', async () => {
    const obstacle = new SealiftError('CONFIG_FILE_INVALID', 'configuration: no');
    const { service, seen } = world({ settings: () => ({ bundleRoots: [], obstacle }) });
    await expectFailure('CONFIG_FILE_INVALID', () => service.pullImage(CALL));
    expect(seen.requests).toEqual([]);
    expect(seen.lines).toMatchObject([{}, { level: 'error', code: 'CONFIG_FILE_INVALID', message: 'pull failed' }]);
  });

  it('takes the rootfs away again when the image cannot be measured', async () => {
    const measure = async () => {
      throw new SealiftError('HTTP_UNAVAILABLE', 'attestation agent: gone');
    };
    const undone: string[] = [];
    const undo = async (path: string) => {
      undone.push(path);
      throw new Error('and this fails, too');
    };
    const { service } = world({ measure, undo });
    await expectFailure('HTTP_UNAVAILABLE', () => service.pullImage(CALL));
    expect(undone).toEqual([CALL.bundlePath]);
  });

  it('works at so many pulls at a time, and lets one go that is cancelled while it waits', async () => {
    const gates: PromiseWithResolvers<void>[] = [];
    const { service } = world({
      pull: async () => {
        const gate = Promise.withResolvers<void>();
        gates.push(gate);
        await gate.promise;
        return RESULT;
      },
    });
    const abort = new AbortController();
    const running = [service.pullImage(CALL), service.pullImage(CALL)];
    const waiting = expectFailure('PULL_CANCELLED', () => service.pullImage({ ...CALL, signal: abort.signal }));
    await new Promise((resolve) => setImmediate(resolve));
    expect(gates).toHaveLength(2);
    abort.abort(new Error('deadline'));
    await waiting;
    for (const gate of gates) gate.resolve();
    await Promise.all(running);
  });

  it('goes on after a pull that met a bug', async () => {
    let pulls = 0;
    const pull = async () => {
      pulls += 1;
      if (pulls === 1) throw new TypeError('unforeseen');
      return RESULT;
    };
    const { service, seen } = world({ pull });
    await expect(service.pullImage(CALL)).rejects.toThrow('unforeseen');
    expect(seen.lines).toMatchObject([{}, { code: 'INTERNAL' }]);
    expect(await service.pullImage(CALL)).toEqual({ manifestDigest: DIGEST });
  });
});
