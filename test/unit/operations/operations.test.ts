import { describe, expect, it } from 'vitest';
import { SealiftError } from '../../../src/errors/index.ts';
import {
  type CallOptions,
  createRun,
  performRoomOperation,
  type RequestsOf,
  type RoomOperation,
  type RoomTables,
  withOptions,
} from '../../../src/operations/index.ts';
import { expectFailure } from '../../support/matchers.ts';

interface TextOperations {
  measure(request: { readonly text: string }): number;
  repeat(request: { readonly text: string; readonly times: number }): Promise<string>;
}

interface Requests {
  readonly text: RequestsOf<TextOperations>;
  readonly late: { readonly fail: string };
}

const TEXT: TextOperations = {
  measure: ({ text }) => text.length,
  repeat: async ({ text, times }) => text.repeat(times),
};

const TABLES: RoomTables<Requests> = {
  text: () => TEXT,
  late: async () => ({
    fail: (reason) => {
      throw new SealiftError('STORE_IO_FAILED', reason);
    },
  }),
};

/** Returns an operation as it arrives in a message: no code has checked its type. */
function received(message: object): RoomOperation<Requests> {
  return JSON.parse(JSON.stringify(message));
}

describe('performRoomOperation', () => {
  it('calls the function that room and kind name', async () => {
    const measure = { room: 'text', operation: { kind: 'measure', request: { text: 'four' } } };
    expect(await performRoomOperation(TABLES, received(measure))).toBe(4);
    const repeat = { room: 'text', operation: { kind: 'repeat', request: { text: 'ab', times: 2 } } };
    expect(await performRoomOperation(TABLES, received(repeat))).toBe('abab');
  });

  it('throws what the function throws, from a table that is loaded late too', async () => {
    const fail = { room: 'late', operation: { kind: 'fail', request: 'on purpose' } };
    const error = await expectFailure('STORE_IO_FAILED', () => performRoomOperation(TABLES, received(fail)));
    expect(error.message).toBe('on purpose');
  });

  it.each([
    ['a room', { room: 'none', operation: { kind: 'measure', request: {} } }, 'expected a known room, got none'],
    [
      'an operation',
      { room: 'text', operation: { kind: 'none', request: {} } },
      'expected a known operation, got none',
    ],
    [
      'an inherited name',
      { room: 'text', operation: { kind: 'toString', request: {} } },
      'expected a known operation, got toString',
    ],
  ])('refuses %s that is in no table', async (_, message, expected) => {
    const error = await expectFailure('INTERNAL', () => performRoomOperation(TABLES, received(message)));
    expect(error.message).toBe(`worker: ${expected}`);
  });
});

describe('createRun and withOptions', () => {
  const sent: { readonly operation: unknown; readonly options: CallOptions | undefined }[] = [];
  const run = createRun<TextOperations>(async (operation, options) => {
    sent.push({ operation, options });
    return 7;
  });

  it('send kind, request and options, and resolve to what came back', async () => {
    const length: number = await run('measure', { text: 'seven' }, { lane: 'background' });
    expect(length).toBe(7);
    expect(sent.pop()).toEqual({
      operation: { kind: 'measure', request: { text: 'seven' } },
      options: { lane: 'background' },
    });
  });

  it('give every call the options of its table, unless it has others', async () => {
    const withLane = withOptions(run, { lane: 'background' });
    await withLane('measure', { text: '' });
    expect(sent.pop()?.options).toEqual({ lane: 'background' });
    await withLane('measure', { text: '' }, { lane: 'foreground' });
    expect(sent.pop()?.options).toEqual({ lane: 'foreground' });
  });
});
