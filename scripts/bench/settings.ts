import { existsSync } from 'node:fs';
import { hasCommand, IS_ROOT } from '../../test/support/machine/commands.ts';
import type { SlowWire } from '../../test/support/proxies/slow-proxy.ts';
import { IMAGE_KEYS, type ImageKey } from './images.ts';
import { fileSystemOf } from './machine.ts';

/** One part of the bench: where a contender's results lie, and how it reaches the registry. */
export interface Scenario {
  readonly title: string;
  readonly folder: string;
  readonly network: 'local' | 'slow';
  /** The wire to a slow registry. */
  readonly wire?: SlowWire;
  readonly images: readonly ImageKey[];
}

const PARTS = ['pulls', 'daemon', 'signatures'] as const;
export type BenchPart = (typeof PARTS)[number];

export interface BenchSettings {
  readonly parts: readonly BenchPart[];
  readonly rounds: number;
  /** 1 measures full-size images; a smaller value makes smaller images, to check that everything works. */
  readonly scale: number;
  readonly scenarios: readonly Scenario[];
  readonly contenders: RegExp;
  /** The folder of another build, whose `sealift` and `sealiftd` are measured beside this one's. */
  readonly baseline: string | undefined;
  /** The folder where images are made and the registry lies, the same for all contenders. */
  readonly imagesFolder: string;
  /** Undefined to print only. */
  readonly outputFolder: string | undefined;
}

const MEMORY = '/dev/shm';
const DISK = '/var/tmp';

/** Throws an error with a sentence when a variable is malformed. */
export function readSettings(environment: NodeJS.ProcessEnv, docsFolder: string): BenchSettings {
  const rounds = readNumber(environment, 'BENCH_ROUNDS', 5);
  const scale = readNumber(environment, 'BENCH_SCALE', 1);
  const images = chooseImages(environment['BENCH_IMAGES']);
  const chosen = ['BENCH_IMAGES', 'BENCH_CONTENDERS', 'BENCH_NETWORK', 'BENCH_BASELINE'];
  const isWhole = scale === 1 && chosen.every((name) => !environment[name]);
  const scenarios = chooseScenarios(environment['BENCH_DIR'], images).filter(
    ({ network }) => (environment['BENCH_NETWORK'] ?? network) === network,
  );
  if (scenarios.length === 0) throw new Error('BENCH_NETWORK: expected local or slow');
  return {
    parts: chooseParts(environment['BENCH_PARTS']),
    rounds,
    scale,
    scenarios,
    contenders: new RegExp(environment['BENCH_CONTENDERS'] || '.', 'i'),
    baseline: environment['BENCH_BASELINE'] || undefined,
    imagesFolder: environment['BENCH_DIR'] || DISK,
    // Part of a bench must not replace a whole one.
    outputFolder: environment['BENCH_OUTPUT'] || (isWhole ? docsFolder : undefined),
  };
}

/** These two images show the effect of a wire: one its rate, the other its delay. */
const SLOW_WIRE: SlowWire = { bytesPerSecond: 50e6, roundTripMs: 10 };
const SLOW_IMAGES: readonly ImageKey[] = ['one', 'forty'];

/** The rate that many registries give one connection. It shows which contenders use several, for one layer and for many. */
const SLOWER_WIRE: SlowWire = { bytesPerSecond: 20e6, roundTripMs: 10 };
const SLOWER_IMAGES: readonly ImageKey[] = ['one', 'forty'];

/** A disk varies more than most differences compared here, so that one image has to show its effect. */
const DISK_IMAGES: readonly ImageKey[] = ['one'];

/** All images in memory, as in a guest without a volume; some of them also over a slow wire, and on a disk. */
function chooseScenarios(folder: string | undefined, images: readonly ImageKey[]): Scenario[] {
  const inMemory = existsSync(MEMORY) && fileSystemOf(MEMORY) === 'tmpfs';
  const path = folder || (inMemory ? MEMORY : DISK);
  const onlySome = (some: readonly ImageKey[]) => images.filter((key) => some.includes(key));
  const scenarios: Scenario[] = [
    { title: titleOf(undefined, path), folder: path, network: 'local', images },
    slowScenario(path, SLOW_WIRE, onlySome(SLOW_IMAGES)),
    slowScenario(path, SLOWER_WIRE, onlySome(SLOWER_IMAGES)),
  ];
  if (path === MEMORY) {
    scenarios.push({ title: titleOf(undefined, DISK), folder: DISK, network: 'local', images: onlySome(DISK_IMAGES) });
  }
  return scenarios.filter((scenario) => scenario.images.length > 0);
}

function slowScenario(folder: string, wire: SlowWire, images: readonly ImageKey[]): Scenario {
  return { title: titleOf(wire, folder), folder, network: 'slow', wire, images };
}

function titleOf(wire: SlowWire | undefined, folder: string): string {
  const registry =
    wire === undefined
      ? 'Local registry'
      : `Registry ${wire.roundTripMs} ms away, ${wire.bytesPerSecond / 1e6} MB/s a connection`;
  return `${registry}; results on ${fileSystemOf(folder)} (${folder})`;
}

function chooseImages(text: string | undefined): readonly ImageKey[] {
  if (!text) return IMAGE_KEYS;
  const wanted = text.split(',');
  const unknown = wanted.find((key) => !IMAGE_KEYS.some((known) => known === key));
  if (unknown !== undefined) throw new Error(`BENCH_IMAGES: expected some of ${IMAGE_KEYS.join(',')}, got ${unknown}`);
  return IMAGE_KEYS.filter((key) => wanted.includes(key));
}

function chooseParts(text: string | undefined): readonly BenchPart[] {
  if (!text) return PARTS;
  const wanted = text.split(',');
  const unknown = wanted.find((part) => !PARTS.some((known) => known === part));
  if (unknown !== undefined) throw new Error(`BENCH_PARTS: expected some of ${PARTS.join(',')}, got ${unknown}`);
  return PARTS.filter((part) => wanted.includes(part));
}

function readNumber(environment: NodeJS.ProcessEnv, name: string, fallback: number): number {
  const value = Number(environment[name] || fallback);
  if (!(value > 0)) throw new Error(`${name}: expected a number above 0, got ${environment[name]}`);
  return value;
}

/** Requirements of the bench that do not depend on the contenders. */
export function findObstacle(): string | undefined {
  if (!IS_ROOT) return 'the bench mounts file systems and starts daemons: run it as root';
  return hasCommand('docker-registry') ? undefined : 'the bench needs docker-registry';
}
