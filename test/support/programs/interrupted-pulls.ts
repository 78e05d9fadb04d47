import { rmSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { umount } from '../../../src/platform/index.ts';
import { NativeDaemon } from '../daemons/native-daemon.ts';
import { halvesOf, type StoreHalves } from '../stores/store-contents.ts';
import type { LayerForm } from './pull-steps.ts';
import { runDoomedSealift, runSealift, type SealiftResult } from './sealift-command.ts';

/** A program that pulls one image again and again, and may be killed meanwhile; with its own store. */
export interface InterruptedPulls {
  readonly halves: StoreHalves;
  bundle(container: string): string;
  /** Pulls and returns the digest of the manifest. */
  pull(container: string): Promise<string>;
  /**
   * Kills the process group so long after the pull has begun, and makes the program usable again. False when the pull
   * had succeeded before.
   */
  pullAndKill(container: string, afterMs: number): Promise<boolean>;
  /** Unmounts and throws away the bundle. */
  remove(container: string): Promise<void>;
  /** `sealift rm` or `prune` on its store. */
  manage(command: 'rm' | 'prune', ...parameters: readonly string[]): Promise<SealiftResult>;
}

/** `sealift pull` of `reference` into a store in `folder`. */
export function interruptedCli(folder: string, reference: string, form: LayerForm): InterruptedPulls {
  const store = `${folder}/store`;
  const options = { env: { SEALIFT_STORE_LAYER_FORMAT: form } };
  const bundle = (container: string) => `${folder}/${container}`;
  const parameters = (container: string) => [
    ...['pull', reference, '--tls-verify=false'],
    ...['--store', store, '--bundle', bundle(container)],
  ];
  return {
    halves: halvesOf(store),
    bundle,
    pull: async (container) => {
      const { error, result } = await runSealift(parameters(container), options);
      if (error !== undefined) throw new Error(`${error.code}: ${error.message}`);
      return String(result['manifestDigest']);
    },
    pullAndKill: async (container, afterMs) => {
      const end = await runDoomedSealift(parameters(container), {
        ...options,
        onStart: (child) => {
          const timer = setTimeout(() => {
            if (child.pid !== undefined) killGroup(child.pid);
          }, afterMs);
          child.once('exit', () => clearTimeout(timer));
        },
      });
      if (end !== 'SIGKILL' && end !== 0) throw new Error(`sealift pull: exit code ${end}`);
      return end === 'SIGKILL';
    },
    remove: async (container) => {
      const { error } = await runSealift(['umount', bundle(container), '--store', store]);
      if (error !== undefined) throw new Error(`${error.code}: ${error.message}`);
      rmSync(bundle(container), { recursive: true });
    },
    manage: (command, ...more) => runSealift([command, ...more, '--store', store]),
  };
}

/** `sealiftd`, asked as the agent asks. */
export async function interruptedDaemon(
  reference: string,
  form: LayerForm,
): Promise<InterruptedPulls & AsyncDisposable> {
  const daemon = await NativeDaemon.open(form);
  await daemon.start();
  return {
    halves: daemon.halves,
    bundle: (container) => daemon.path('bundles', container),
    pull: (container) => daemon.pull(reference, container),
    pullAndKill: async (container, afterMs) => {
      const pulled = daemon.pull(reference, container).then(
        () => true,
        () => false,
      );
      await Promise.all([pulled, delay(afterMs).then(() => daemon.kill())]);
      await daemon.start();
      return !(await pulled);
    },
    remove: async (container) => {
      umount(`${daemon.path('bundles', container)}/rootfs`);
      rmSync(daemon.path('bundles', container), { recursive: true });
    },
    manage: (command, ...more) => runSealift([command, ...more, '--daemon', '-c', daemon.configFile]),
    [Symbol.asyncDispose]: () => daemon[Symbol.asyncDispose](),
  };
}

/** The group may have ended at this very moment. */
function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
