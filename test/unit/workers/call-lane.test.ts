import { expect, it } from 'vitest';
import { SealiftError } from '../../../src/errors/index.ts';
import { CallLane } from '../../../src/workers/call-lane.ts';
import { expectFailure } from '../../support/matchers.ts';

it('a lane fails a call for which no thread can be started, and serves the next one', async () => {
  let idle = 0;
  let tries = 0;
  const lane = new CallLane({
    acquire: () => {
      tries += 1;
      throw new SealiftError('LAYER_WORKER_FAILED', 'as the test wants it');
    },
    release: () => undefined,
    abandon: () => undefined,
    awaitCancellable: () => Promise.reject(new Error('no call begins')),
    idle: () => {
      idle += 1;
    },
  });
  const call = { room: 'store', operation: { kind: 'list', request: {} } };
  const together = [lane.run(call, {}), lane.run(call, {})];
  for (const answer of together) await expectFailure('LAYER_WORKER_FAILED', () => answer);
  expect([tries, idle]).toEqual([2, 2]);
  await expectFailure('LAYER_WORKER_FAILED', () => lane.run(call, {}));
  expect([tries, idle]).toEqual([3, 3]);
});
