import { join } from 'node:path';
import { type Contender, pinnedReference } from './contender.ts';

/** skopeo fetches into an OCI layout; umoci unpacks a bundle from it, and also writes an mtree manifest. */
export const skopeoAndUmoci: Contender = {
  name: 'skopeo + umoci',
  kind: 'peer',
  needs: ['skopeo', 'umoci'],
  steps: (run) => [
    {
      command: [
        ...(['skopeo', '--insecure-policy', 'copy', '-q', '--src-tls-verify=false'] as const),
        `docker://${pinnedReference(run)}`,
        `oci:${join(run.folder, 'oci')}:bench`,
      ],
    },
    { command: ['umoci', 'unpack', '--image', `${join(run.folder, 'oci')}:bench`, join(run.folder, 'bundle')] },
  ],
  results: (run) => [join(run.folder, 'bundle/rootfs')],
};
