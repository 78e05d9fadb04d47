import { afterAll, afterEach, beforeAll } from 'vitest';
import type { Need } from '../machine/needs.ts';
import { startPodVm } from './start-pod-vm.ts';
import type { PodVm, PodVmOptions } from './types.ts';

/** The needs of a pod VM, for `describeWith`. */
export const POD_VM_NEEDS: readonly Need[] = [
  'x86-64',
  'qemu-system-x86_64',
  'qemu-nbd',
  'cryptsetup',
  'mkfs.ext4',
  'crun',
  'kmod',
  'busybox',
];

/** One VM for all tests of a `describe`. A failing test reports where the serial output lies. */
export function usePodVm(options: PodVmOptions): () => PodVm {
  let vm: PodVm | undefined;

  beforeAll(async () => {
    vm = await startPodVm({ ...options, fromState: true });
    process.stdout.write(`pod VM ${options.name}: up in ${vm.bootSeconds.toFixed(1)} s\n`);
  });

  afterEach(({ task }) => {
    if (task.result?.state !== 'fail' || vm === undefined) return;
    process.stderr.write(`${task.name}: the serial output of the pod VM is in ${vm.serialPath}\n`);
  });

  afterAll(() => vm?.stop());

  return () => {
    if (vm === undefined) throw new Error('the pod VM is there once the tests run, not before');
    return vm;
  };
}
