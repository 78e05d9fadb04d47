import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  bundleSteppingCli,
  LAUNCH_ENVIRONMENT,
  NODE_OPTIONS,
  STEPPING_CLI,
} from '../daemons/bundle-stepping-daemon.ts';
import { CHECKPOINT_VARIABLE, DIE_AT, PASSED } from './checkpoint-folder.ts';
import { runDoomedSealift, runSealift, type SealiftResult } from './sealift-command.ts';

/** `sealift`, from the sources, with checkpoints that can be watched. */
export class SteppingCli {
  readonly #folder: string;
  /** Variables that every run gets in addition. */
  readonly #environment: Readonly<Record<string, string>>;

  private constructor(folder: string, environment: Readonly<Record<string, string>>) {
    this.#folder = folder;
    this.#environment = { ...environment, ...LAUNCH_ENVIRONMENT, [CHECKPOINT_VARIABLE]: join(folder, 'checkpoints') };
  }

  /** Builds the program in `folder`, which is made. */
  static async open(folder: string): Promise<SteppingCli> {
    for (const path of [folder, join(folder, 'checkpoints')]) mkdirSync(path);
    for (const built of await bundleSteppingCli(folder)) writeFileSync(built.path, built.contents);
    const launcher = join(folder, 'sealift');
    const command = [process.execPath, ...NODE_OPTIONS, join(folder, STEPPING_CLI)].map((word) => `'${word}'`);
    writeFileSync(launcher, `#!/bin/sh\nexec ${command.join(' ')} "$@"\n`);
    chmodSync(launcher, 0o755);
    return new SteppingCli(folder, {});
  }

  /** Returns the same program with another environment. */
  withEnvironment(environment: Readonly<Record<string, string>>): SteppingCli {
    return new SteppingCli(this.#folder, environment);
  }

  run(parameters: readonly string[]): Promise<SealiftResult> {
    writeFileSync(this.#checkpoint(DIE_AT), '');
    return runSealift(parameters, this.#options());
  }

  /** Returns the signal that ended it, or its exit code. */
  runAndDie(step: string, parameters: readonly string[]): Promise<NodeJS.Signals | number> {
    writeFileSync(this.#checkpoint(DIE_AT), step);
    return runDoomedSealift(parameters, this.#options());
  }

  /** Checkpoints that `work` passes, in order. */
  async watch(work: () => Promise<unknown>): Promise<readonly string[]> {
    writeFileSync(this.#checkpoint(PASSED), '');
    await work();
    return readFileSync(this.#checkpoint(PASSED)).toString().split('\n').filter(Boolean);
  }

  #checkpoint(name: string): string {
    return join(this.#folder, 'checkpoints', name);
  }

  #options() {
    return { program: join(this.#folder, 'sealift'), env: this.#environment };
  }
}
