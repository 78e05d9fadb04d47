import { defineConfig } from 'vitest/config';
import { IS_SOAK } from '../../test/support/soak.ts';

const ACCEPTANCE = 'test/acceptance/**/*.test.ts';
/** Times are compared here or, in the long run, large pulls measured, so nothing runs beside. */
const MEASURED = [
  'test/acceptance/daemon-load.test.ts',
  ...(IS_SOAK
    ? ['test/acceptance/memory.test.ts', 'test/acceptance/ranges.test.ts', 'test/podvm/volume-size.test.ts']
    : []),
];
const POD_VM = 'test/podvm/**/*.test.ts';
/**
 * What only the long run has: times, which say nothing on a busy machine; a disk of 250 GiB; the mirrors of the daemon
 * in a pod VM, which `test/integration/daemon/mirrors` has without one; and the bed itself, which all tests in pod VMs
 * use.
 */
const LONG_RUN = IS_SOAK
  ? []
  : [
      'test/acceptance/ranges.test.ts',
      'test/podvm/bed.test.ts',
      'test/podvm/daemon-mirrors.test.ts',
      'test/podvm/volume-size.test.ts',
    ];
/**
 * Tests that leave nothing behind in their process: one process runs many of their files, and loads and compiles the
 * sources once, which halves their time.
 */
const SHARED = [
  'test/unit/**/*.test.ts',
  'test/property/**/*.test.ts',
  'test/architecture/*.test.ts',
  'test/conformance/{policy,reference,registries,tar,wire}/*.test.ts',
  'test/integration/{api,archive,bundle,config,endpoints,keybroker,layer,lookaside,registry}/**/*.test.ts',
  'test/integration/{resources,signature,snapshot,store,support,ttrpc,unpack,volume}/**/*.test.ts',
];

export default defineConfig({
  test: {
    root: new URL('../..', import.meta.url).pathname,
    // A busy machine takes longer; only what hangs is to fail. The long run has tests of an hour.
    testTimeout: IS_SOAK ? 7_200_000 : 1_200_000,
    hookTimeout: 1_200_000,
    expect: { poll: { timeout: 300_000 } },
    // Of a suite whose tests mostly wait.
    maxConcurrency: 20,
    // Titles of matrices are sentences; none is cut off.
    taskTitleValueFormatTruncate: 0,
    reporters: ['default', new URL('./closing-line-reporter.ts', import.meta.url).pathname],
    globalSetup: [new URL('./bundle-workers.ts', import.meta.url).pathname],
    // Node's own words about node:ffi, in every process.
    execArgv: ['--disable-warning=ExperimentalWarning'],
    projects: [
      {
        extends: true,
        test: {
          name: 'shared',
          include: SHARED,
          setupFiles: [new URL('./property-counts.ts', import.meta.url).pathname],
          pool: 'forks',
          isolate: false,
          maxWorkers: 3,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: 'parts',
          include: ['test/**/*.test.ts'],
          exclude: [ACCEPTANCE, POD_VM, ...SHARED],
          setupFiles: [new URL('./property-counts.ts', import.meta.url).pathname],
          pool: 'forks',
          // One more than there are cores, since some tests wait.
          maxWorkers: 3,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: 'acceptance',
          include: [ACCEPTANCE],
          exclude: [...MEASURED, ...LONG_RUN],
          pool: 'forks',
          // What they test runs in other processes.
          isolate: false,
          maxWorkers: 3,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: 'measured',
          include: MEASURED,
          pool: 'forks',
          maxWorkers: 1,
          fileParallelism: false,
          sequence: { groupOrder: 1 },
        },
      },
      {
        extends: true,
        test: {
          name: 'podvm',
          include: [POD_VM],
          exclude: [...MEASURED, ...LONG_RUN],
          // To ask again costs the emulated machine a command.
          expect: { poll: { timeout: 300_000, interval: 250 } },
          pool: 'forks',
          // An emulated machine keeps little more than one core busy, and not while its tests wait for a time limit.
          maxWorkers: 3,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
