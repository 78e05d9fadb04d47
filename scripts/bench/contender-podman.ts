import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Contender, pinnedReference } from './contender.ts';

/** podman with its default overlay storage at a separate root. */
export const podman: Contender = {
  name: 'podman',
  kind: 'peer',
  needs: ['podman'],
  steps(run) {
    const storage = join(run.folder, 'storage');
    // podman stores blobs here first. The default, /var/tmp, may be on another file system than the storage.
    const temporary = join(run.folder, 'tmp');
    mkdirSync(temporary);
    return [
      {
        command: [
          ...(['podman', '--root', storage, '--runroot', join(run.folder, 'run')] as const),
          ...['--tmpdir', join(run.folder, 'libpod'), '--storage-driver', 'overlay'],
          ...['pull', '-q', '--tls-verify=false', pinnedReference(run)],
        ],
        env: { TMPDIR: temporary },
      },
    ];
  },
  results(run) {
    const layers = join(run.folder, 'storage/overlay');
    return readdirSync(layers)
      .map((name) => join(layers, name, 'diff'))
      .filter((folder) => existsSync(folder));
  },
};
