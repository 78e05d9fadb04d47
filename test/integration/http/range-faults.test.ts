import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { SealiftError } from '../../../src/errors/index.ts';
import type { HttpRequest } from '../../../src/http/index.ts';
import { verifyDigest } from '../../../src/layer/verify-digest.ts';
import type { Digest } from '../../../src/oci/index.ts';
import { type FaultAction, startFakeRegistry } from '../../support/registries/fake-registry.ts';
import { get, recordingClock, streamBlob } from '../../support/registries/http-fixture.ts';
import { eagerPace, FRONT, openRangedTransport, RANGE } from '../../support/registries/range-fixture.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const BLOBS = /\/blobs\//;
const BYTES = randomBytes(4 * MIB);

/** A longer run sets its own counts. */
function counts(numRuns: number) {
  const { numRuns: soak, interruptAfterTimeLimit = 45_000 } = fc.readConfigureGlobal();
  return { numRuns: soak ?? numRuns, interruptAfterTimeLimit };
}

/** Codes of the errors that are allowed instead of the blob. */
const CODES = new Set(['HTTP_UNAVAILABLE', 'HTTP_RESPONSE_INVALID', 'BLOB_DIGEST_MISMATCH', 'BLOB_SIZE_MISMATCH']);

const within = (bytes: number) => fc.integer({ min: 0, max: bytes });

const fault: fc.Arbitrary<FaultAction> = fc.oneof(
  { weight: 8, arbitrary: fc.constant<FaultAction>({ kind: 'headers', headers: {} }) },
  fc.record({ kind: fc.constantFrom('reset', 'close'), afterBytes: within(512 * KIB) }),
  fc.record({ kind: fc.constant('stall'), afterBytes: within(512 * KIB) }),
  fc.record({ kind: fc.constantFrom('chunked', 'unframed'), bytes: within(512 * KIB) }),
  fc.constantFrom<FaultAction>(
    { kind: 'hang-up' },
    { kind: 'ignore-range' },
    { kind: 'endless' },
    { kind: 'raw', bytes: 'HTTP/1.1 206\r\nContent-Length: x\r\n\r\n' },
    { kind: 'headers', headers: { 'content-range': `bytes 0-99/${4 * MIB}` } },
    { kind: 'headers', headers: { 'content-range': 'bytes 0-99/100' } },
    { kind: 'headers', headers: { etag: '"another"' } },
    { kind: 'answer', status: 401, headers: { 'www-authenticate': 'Bearer realm="r"' } },
    { kind: 'answer', status: 416 },
    { kind: 'answer', status: 429, headers: { 'retry-after': '2' } },
    { kind: 'answer', status: 503 },
    { kind: 'answer', status: 404 },
  ),
  within(128 * KIB).map(
    (at): FaultAction => ({
      kind: 'alter',
      alter: (body) => Buffer.concat([body.subarray(0, at), Buffer.from([(body[at] ?? 0) ^ 1]), body.subarray(at + 1)]),
    }),
  ),
);

const scenario = fc.record({
  size: fc.integer({ min: MIB, max: BYTES.length }),
  connections: fc.integer({ min: 2, max: 8 }),
  inFlight: fc.constantFrom(MIB, 2 * MIB, 32 * MIB),
  rangeFaults: fc.array(fault, { maxLength: 12 }),
  frontFaults: fc.array(
    fc.record({ kind: fc.constantFrom('reset', 'close', 'stall'), afterBytes: fc.integer({ min: 1, max: MIB }) }),
    { maxLength: 1 },
  ),
});

type Scenario = typeof scenario extends fc.Arbitrary<infer Value> ? Value : never;

let rangedRuns = 0;
let runs = 0;

/** Injects and runs one download. Returns undefined for the right bytes, or the error. */
async function run({ size, connections, inFlight, rangeFaults, frontFaults }: Scenario) {
  const registry = await startFakeRegistry();
  const digest = registry.addBlob(BYTES.subarray(0, size)) as Digest;
  const url = `${registry.origin}/v2/a/blobs/${digest}`;
  for (const action of frontFaults) registry.inject({ match: BLOBS, range: FRONT, action });
  registry.inject({
    match: BLOBS,
    range: FRONT,
    times: 99,
    action: { kind: 'trickle', chunkBytes: 64 * KIB, everyMs: 1 },
  });
  for (const action of rangeFaults) registry.inject({ match: BLOBS, range: RANGE, action });
  await using ranged = openRangedTransport({
    pace: eagerPace(connections),
    clock: recordingClock(),
    limits: { maxRangedInFlightBytes: inFlight, stallTimeoutMs: 100, headersTimeoutMs: 300 },
  });
  let received = 0;
  const line = verifyDigest({ digest, what: 'blob', code: 'BLOB_DIGEST_MISMATCH' }, { write() {}, end() {} });
  try {
    await streamBlob(ranged.transport, {
      request: get(url),
      size,
      write(chunk) {
        received += chunk.length;
        line.write(chunk);
      },
      onUnauthorized: (): Promise<HttpRequest> => Promise.resolve(get(url, { authorization: 'Bearer new' })),
      blockedMs: () => 0,
      signal: new AbortController().signal,
    });
    expect(received).toBe(size);
    line.end();
    return undefined;
  } catch (error) {
    return error;
  } finally {
    runs += 1;
    if (registry.requests.some(({ headers }) => RANGE.test(headers['range'] ?? ''))) rangedRuns += 1;
    expect(ranged.takenSlices()).toBe(0);
    await ranged.transport.close();
    while (registry.openConnections > 0) await new Promise(setImmediate);
    await registry.close();
  }
}

describe('a blob in ranges from a server that does everything wrong', () => {
  it('is right, or fails with a code; nothing is left behind', async () => {
    await fc.assert(
      fc.asyncProperty(scenario, async (each) => {
        const error = await run(each);
        if (error === undefined) return;
        expect(error).toBeInstanceOf(SealiftError);
        expect(CODES).toContain((error as SealiftError).code);
      }),
      counts(60),
    );
  });

  it('is right whatever a few broken connections do to it', async () => {
    const broken = fc.array(
      fc.record({
        kind: fc.constantFrom('reset', 'close', 'stall'),
        afterBytes: fc.integer({ min: 1, max: 512 * KIB }),
      }),
      { maxLength: 3 },
    );
    await fc.assert(
      fc.asyncProperty(scenario, broken, async (each, rangeFaults) => {
        expect(await run({ ...each, rangeFaults, frontFaults: [] })).toBeUndefined();
      }),
      counts(30),
    );
  });

  afterAll(() => {
    expect(rangedRuns, `of ${runs} runs`).toBeGreaterThan(runs / 2);
  });
});
