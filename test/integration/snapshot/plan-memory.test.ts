import { mkdirSync } from 'node:fs';
import { expect, it } from 'vitest';
import type { ByteString } from '../../../src/bytes/index.ts';
import { type PathFactsFile, saveFacts } from '../../../src/layer-facts/index.ts';
import { DEFAULT_LIMITS } from '../../../src/limits/index.ts';
import { createSnapshotOperations } from '../../../src/snapshot/index.ts';
import type { LayerFacts } from '../../../src/unpack/index.ts';
import { describeWith } from '../../support/machine/needs.ts';
import { Scratch } from '../../support/machine/scratch.ts';
import { expectFailure } from '../../support/matchers.ts';

const { maxImageFactsBytes, maxPlanBytes, maxPlanSteps, maxRecordBytes } = DEFAULT_LIMITS;
const OPERATIONS = createSnapshotOperations();
const PLANS = ['planLayers', 'prepareUpper'] as const;

/** The weight of a path besides its characters. */
const PATH_WEIGHT = 40;
/** Far below what the facts of a layer may weigh. */
const LITTLE_WEIGHT = 1024 * 1024;
const WIDE = 30;

const numbered = (at: number, digits: number): string => at.toString(36).padStart(digits, '0');
/** Four hundred directories of its own for each path. */
const deep = (at: number): string => `${numbered(at, 4)}${'/d'.repeat(399)}`;
/** Eight names deep, in directories of thirty names. */
const usual = (at: number): string =>
  `usr/lib/app/packages/${numbered(at % 10, 1)}/${numbered(Math.floor(at / 10 / WIDE), 4)}/lib/${numbered(at % (10 * WIDE), 2)}`;

/** As many paths as have the weight. */
function pathsOf(make: (at: number) => string, weight: number): string[] {
  const paths: string[] = [];
  for (let left = weight; ; ) {
    const path = make(paths.length);
    left -= path.length + PATH_WEIGHT;
    if (left < 0) return paths;
    paths.push(path);
  }
}

function factsOf(paths: readonly string[]): LayerFacts {
  const implied = paths.map((path) => ({ path: path as ByteString, cut: false }));
  const nothing = { entries: 0, contentBytes: 0, dropped: {}, traversed: [], unresolvedLinks: [], marked: [] };
  return { ...nothing, implied };
}

function save(path: string, paths: readonly string[]): PathFactsFile {
  const { paths: extent } = saveFacts(path, factsOf(paths), DEFAULT_LIMITS);
  if (extent === undefined) throw new TypeError('facts that were saved have an extent');
  return { path, ...extent };
}

/** Plans with layers without contents, each with some of the paths in its facts. */
function plan(operation: (typeof PLANS)[number], scratch: Scratch, layers: readonly (readonly string[])[]): unknown {
  const upper = scratch.join('upper');
  mkdirSync(upper);
  const planned = layers.map((paths, at) => {
    const directory = scratch.join(`layer-${at}`);
    mkdirSync(directory);
    return { directory, facts: save(`${directory}.facts`, paths) };
  });
  const bounds = { steps: { limit: maxPlanSteps, taken: 0 }, maxPlanBytes };
  if (operation === 'planLayers') return OPERATIONS.planLayers({ layers: planned, from: 0, ...bounds }).kind;
  return OPERATIONS.prepareUpper({ layers: planned, upper, ...bounds }).directories;
}

describeWith(['root'], 'the memory of a plan', () => {
  it.each(PLANS)('of facts with many directories in few characters is refused by %s', async (operation) => {
    using scratch = new Scratch();
    const paths = pathsOf(deep, LITTLE_WEIGHT);
    const error = await expectFailure('LAYER_LIMIT_EXCEEDED', async () => plan(operation, scratch, [paths]));
    expect(error.context).toEqual({ limit: 'maxPlanBytes', expected: maxPlanBytes, actual: 'more' });
  });

  it('suffices for as many facts as an image may have, eight names deep', () => {
    using scratch = new Scratch();
    const layers = Math.ceil(maxImageFactsBytes / maxRecordBytes);
    const paths = pathsOf(usual, maxImageFactsBytes);
    const share = Math.ceil(paths.length / layers);
    const each = Array.from({ length: layers }, (_, at) => paths.slice(at * share, (at + 1) * share));
    expect(paths.length).toBeGreaterThan(400_000);
    expect(plan('prepareUpper', scratch, each)).toBe(1);
  });

  it.each(PLANS)('suffices %s for 500 layers, because names that several have count once', (operation) => {
    using scratch = new Scratch();
    const each = Array.from({ length: 500 }, () => [deep(0), deep(1)]);
    expect(plan(operation, scratch, each)).toBe(operation === 'planLayers' ? 'independent' : 1);
  });
});
