import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A new directory that `Symbol.dispose` removes with all that is in it. */
export class Scratch implements Disposable {
  readonly path: string;

  constructor(name = 'test', folder = tmpdir()) {
    this.path = mkdtempSync(join(folder, `sealift-${name}-`));
  }

  join(...parts: string[]): string {
    return join(this.path, ...parts);
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}
