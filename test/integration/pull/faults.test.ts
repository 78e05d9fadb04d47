import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { pseudoRandom } from '../../support/builders/small-image.ts';
import { dir, file, tar } from '../../support/builders/tar-builder.ts';
import { FAULT_ACTIONS, FAULT_POINTS, type FaultName, type FaultPoint } from '../../support/faults/fault-actions.ts';
import { FaultBed, type FaultOutcome, NOTHING_LEFT } from '../../support/faults/fault-bed.ts';
import { buildFaultImage } from '../../support/faults/fault-image.ts';
import { FaultStage } from '../../support/faults/fault-stage.ts';
import { FAULT_TABLE, type FaultRow, TRIES } from '../../support/faults/fault-table.ts';
import { IS_ROOT } from '../../support/machine/commands.ts';
import { AT_ONCE_MS } from '../../support/patience.ts';
import { IS_SOAK } from '../../support/soak.ts';

const WITHOUT_ROOT = IS_ROOT ? '' : ' (skipped: needs root for a store)';

const PAUSE_MS = 60;
const QUICK = {
  'pull.limits.maxTries': TRIES,
  'pull.limits.retryDelayMs': 1,
  'pull.limits.maxRetryDelayMs': PAUSE_MS,
};
const IMPATIENT = { ...QUICK, 'pull.limits.headersTimeoutMs': 1_500, 'pull.limits.stallTimeoutMs': 1_500 };
/** A document timeout shorter than the time of a document that arrives a tenth at a time. */
const HURRIED = { ...QUICK, 'pull.limits.documentTimeoutMs': 2_000 };

const BREAKS = IS_SOAK ? 66 : 8;
const LAYER_BYTES = IS_SOAK ? 64 * 65_536 : 200_000;

/** Faults that end by a client timeout, which is shortened for them alone. */
const STALLING: ReadonlySet<FaultName> = new Set<FaultName>([
  'silence before the head',
  'silence behind the head',
  'silence in the middle',
  'Content-Length too long',
  'status 103 without an end',
]);

/** Faults that end by the timeout for a whole document. */
const TRICKLING: ReadonlySet<FaultName> = new Set<FaultName>(['a byte now and then', 'a tenth now and then']);

/** After these faults the client does not ask again for the part of a layer that it has. */
const RESUMED: ReadonlySet<FaultName> = new Set<FaultName>(['close in the middle', 'silence in the middle']);

/** The server says when to retry, and the client follows up to the longest pause. */
const PAUSED: ReadonlySet<FaultName> = new Set<FaultName>(['status 429, Retry-After in seconds']);

interface Case {
  readonly fault: FaultName;
  readonly point: FaultPoint;
  readonly kind: FaultRow[2];
  readonly code: FaultRow[3];
  readonly tries: number;
}

function casesOf([fault, at, kind, code, tries]: FaultRow): readonly Case[] {
  return at.map((point) => ({ fault, point, kind, code, tries }));
}

/** The first and the last point of a row. */
function sampleOf(row: FaultRow): readonly Case[] {
  const cases = casesOf(row);
  return cases.length > 2 ? [...cases.slice(0, 1), ...cases.slice(-1)] : cases;
}

const CASES = FAULT_TABLE.flatMap(casesOf);
/** The behaviour after the fault is much the same at every point. */
const SAMPLES = IS_SOAK ? CASES : FAULT_TABLE.flatMap(sampleOf);
const isWaitedFor = ({ fault }: Case): boolean => STALLING.has(fault) || TRICKLING.has(fault);
const FAILING = SAMPLES.filter(({ kind }) => kind !== 'works');
const RETRIED = FAILING.filter(({ tries }) => tries === TRIES);
const firstByteOf = (range: string | undefined): number => Number(/^bytes=(\d+)-/.exec(range ?? 'bytes=0-')?.[1]);
const sum = (numbers: readonly number[]): number => numbers.reduce((total, each) => total + each, 0);

describe.skipIf(!IS_ROOT)(`a pull from a registry with a fault${WITHOUT_ROOT}`, () => {
  let quick: FaultBed;
  let impatient: FaultBed;
  let hurried: FaultBed;

  beforeAll(() => {
    quick = new FaultBed(QUICK);
    impatient = new FaultBed(IMPATIENT);
    hurried = new FaultBed(HURRIED);
  });

  afterAll(async () => {
    for (const bed of [quick, impatient, hurried]) await bed[Symbol.asyncDispose]();
  });

  function bedOf({ fault }: Case): FaultBed {
    if (STALLING.has(fault)) return impatient;
    return TRICKLING.has(fault) ? hurried : quick;
  }

  function expectWhole({ error, result, left }: FaultOutcome): void {
    expect(error).toBeUndefined();
    expect(result?.layers).toHaveLength(1);
    expect(left).toMatchObject({ staging: [], trash: [], locks: ['store'] });
    expect([left.names, left.images].map(({ length }) => length)).toEqual([1, 1]);
  }

  async function endsAsTheTableSays(each: Case): Promise<void> {
    const { fault, point, kind, code, tries } = each;
    await using stage = await FaultStage.open();
    const hits = stage.inject(fault, point);
    const outcome = await bedOf(each).pull({ name: 'app:latest', endpoints: stage.only });
    expect([outcome.error?.kind ?? 'works', outcome.error?.code]).toEqual([kind, code]);
    expect(stage.requestsTo(point)).toHaveLength(tries);
    expect(sum(hits())).toBe(tries);
    expect(outcome.durationMs).toBeLessThan(AT_ONCE_MS);
    if (PAUSED.has(fault)) expect(outcome.durationMs).toBeGreaterThan((TRIES - 1) * PAUSE_MS);
    if (kind === 'works') expectWhole(outcome);
    else expect(outcome.left).toEqual(NOTHING_LEFT);
    for (const { headers } of stage.storage.requests) expect(headers['authorization']).toBeUndefined();
    // The pull that was given up no longer waits for a response.
    await stage.registry.settled();
  }

  async function isTriedAgain(each: Case): Promise<void> {
    const { fault, point } = each;
    await using stage = await FaultStage.open();
    const hits = stage.inject(fault, point, 1);
    expectWhole(await bedOf(each).pull({ name: 'app:latest', endpoints: stage.only }));
    expect(hits()).toEqual([1]);
    // On a busy machine our timeout may end a correct response as well; the client then asks for it again.
    expect(stage.requestsTo(point).length).toBeGreaterThanOrEqual(2);
    if (!isWaitedFor(each)) expect(stage.requestsTo(point)).toHaveLength(2);
    if (RESUMED.has(fault) && point === 'layer') {
      expect(stage.requestsTo(point)[1]?.headers['range']).toMatch(/^bytes=[1-9]/);
    }
  }

  async function asksTheNext(each: Case): Promise<void> {
    const { fault, point, code } = each;
    await using stage = await FaultStage.open();
    const hits = stage.inject(fault, point);
    const outcome = await bedOf(each).pull({ name: 'app:latest', endpoints: stage.withSound });
    expectWhole(outcome);
    expect(sum(hits())).toBeGreaterThan(0);
    expect(outcome.result?.warnings).toEqual([
      expect.stringMatching(new RegExp(`^skipped ${stage.registry.host}/app.*: ${code}: `)),
    ]);
    expect(stage.soundRequestsTo(point)).toHaveLength(1);
    await stage.registry.settled();
  }

  it('works without one, and asks for everything once', async () => {
    await using stage = await FaultStage.open();
    expectWhole(await quick.pull({ name: 'app:latest', endpoints: stage.only }));
    expect(FAULT_POINTS.map((point) => stage.requestsTo(point).length)).toEqual([1, 1, 1, 1, 1, 1]);
  });

  it(`goes on where it broke off, at ${BREAKS} offsets of a layer`, async () => {
    const archive = tar([dir('./'), file('data', pseudoRandom(LAYER_BYTES, 'breaks'))]);
    const image = buildFaultImage({ archive });
    const { size } = image.layer;
    const offsets = Array.from({ length: BREAKS - 3 }, (_, at) => Math.ceil(((at + 1) * size) / (BREAKS - 2)));
    for (const [at, afterBytes] of [0, 1, ...offsets, size - 1].entries()) {
      await using stage = await FaultStage.open(image);
      const isClose = at % 2 === 0;
      stage.injectAction({ kind: isClose ? 'close' : 'reset', afterBytes }, 'layer');
      expectWhole(await quick.pull({ name: 'app:latest', endpoints: stage.only }));
      const [first, second, ...more] = stage.requestsTo('layer').map(({ headers }) => firstByteOf(headers['range']));
      expect([first, more]).toEqual([0, []]);
      // A reset may overtake bytes that were sent before it.
      if (isClose) expect(second).toBe(afterBytes);
      else expect(second).toBeLessThanOrEqual(afterBytes);
    }
  });

  it('asks nobody else once a policy has denied it', async () => {
    await using stage = await FaultStage.open();
    await using scratch = new FaultBed(QUICK);
    const policy = scratch.path('policy.json');
    writeFileSync(policy, JSON.stringify({ default: [{ type: 'reject' }] }));
    const settings = { 'pull.insecure_policy': false, 'pull.policy': policy };
    const outcome = await quick.pull({ name: 'app:latest', endpoints: stage.withSound, settings });
    expect([outcome.error?.kind, outcome.error?.code]).toEqual(['denied', 'POLICY_DENIED']);
    expect(stage.requestsTo('manifest')).toHaveLength(1);
    expect(stage.requestsTo('config')).toEqual([]);
    expect(stage.sound.requests).toEqual([]);
    expect(outcome.left).toEqual(NOTHING_LEFT);
  });

  it('keeps no connection and no thread when it was the last one', async () => {
    await using stage = await FaultStage.open();
    const bed = new FaultBed(QUICK);
    stage.inject('status 503', 'layer');
    await bed.pull({ name: 'app:latest', endpoints: stage.only });
    expect(stage.registry.openConnections).toBeGreaterThan(0);
    bed.end();
    await stage.registry.disconnected();
    await bed.threadsGone();
    expect(bed.leftovers()).toEqual([]);
    await bed[Symbol.asyncDispose]();
  });

  it('has every fault in its table', () => {
    expect([...new Set(FAULT_TABLE.map(([fault]) => fault))].sort()).toEqual(Object.keys(FAULT_ACTIONS).sort());
    for (const point of FAULT_POINTS) expect(CASES.filter((each) => each.point === point).length).toBeGreaterThan(30);
  });

  describe('that answers', () => {
    it.each(CASES.filter((each) => !isWaitedFor(each)))('$fault at $point: $kind, $tries tries', endsAsTheTableSays);

    it.each(RETRIED.filter((each) => !isWaitedFor(each)))('$fault at $point once: tries again', isTriedAgain);

    it.each(FAILING.filter((each) => !isWaitedFor(each)))('$fault at $point: asks the next endpoint', asksTheNext);
  });

  // These cases wait without using the processor, so that several run at once.
  describe.concurrent('that lets us wait', () => {
    it.each(CASES.filter(isWaitedFor))('$fault at $point: $kind, $tries tries', endsAsTheTableSays);

    it.each(RETRIED.filter(isWaitedFor))('$fault at $point once: tries again', isTriedAgain);

    it.each(FAILING.filter(isWaitedFor))('$fault at $point: asks the next endpoint', asksTheNext);
  });
});
