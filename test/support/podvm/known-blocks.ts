import { hash } from 'node:crypto';
import { bundleProgram } from './bundle-program.ts';
import type { PodVm } from './types.ts';

const NODE = '/usr/lib/sealift/lib/node';
const PROGRAM = '/run/programs/blocks.mjs';
export const BLOCK_BYTES = 4096;

/** One letter per block for each file: `.` the right bytes, `E` an I/O error, `X` other bytes. */
export type BlockStates = ReadonlyMap<string, string>;

/** Block `block` of file `name` lies at block `imageBlock` of an image. */
export interface ImageLocation {
  readonly name: string;
  readonly block: number;
  readonly imageBlock: number;
}

/** Files of which every block is known: the guest reads them, or finds where they lie in an image. */
export class KnownBlocks {
  readonly #vm: PodVm;
  readonly #path: string;

  private constructor(vm: PodVm, path: string) {
    this.#vm = vm;
    this.#path = path;
  }

  /** `label` distinguishes these files from others in the same VM. */
  static async install(vm: PodVm, label: string, files: ReadonlyMap<string, Uint8Array>): Promise<KnownBlocks> {
    await vm.writeFile(PROGRAM, await bundleProgram('test/podvm/guest/blocks.ts'));
    const path = `/run/programs/${label}.json`;
    const digests = [...files].map(([name, content]) => [name, digestsOf(content)] as const);
    await vm.writeFile(path, JSON.stringify(Object.fromEntries(digests)));
    return new KnownBlocks(vm, path);
  }

  /** Reads every block of every file below `root`, one by one. */
  async read(root: string): Promise<BlockStates> {
    return new Map(Object.entries(await this.#ask<Record<string, string>>({ act: 'read', root })));
  }

  /** Returns the blocks that are in the image and can be read there. */
  async locate(image: string): Promise<readonly ImageLocation[]> {
    const blocksOf = await this.#ask<Record<string, number[]>>({ act: 'locate', image });
    return Object.entries(blocksOf).flatMap(([name, blocks]) =>
      blocks.flatMap((imageBlock, block) => (imageBlock === -1 ? [] : [{ name, block, imageBlock }])),
    );
  }

  async #ask<Answer>(wish: object): Promise<Answer> {
    const argv = [NODE, '--disable-warning=ExperimentalWarning', PROGRAM];
    return JSON.parse(await this.#vm.mustRun([...argv, JSON.stringify({ ...wish, known: this.#path })]));
  }
}

export function countStates(states: BlockStates): {
  readonly right: number;
  readonly failed: number;
  readonly other: number;
} {
  const all = [...states.values()].join('');
  const count = (letter: string) => all.split(letter).length - 1;
  return { right: count('.'), failed: count('E'), other: count('X') };
}

function digestsOf(content: Uint8Array): string[] {
  const count = Math.ceil(content.length / BLOCK_BYTES);
  return Array.from({ length: count }, (_, at) =>
    hash('sha256', content.subarray(at * BLOCK_BYTES, (at + 1) * BLOCK_BYTES)),
  );
}
