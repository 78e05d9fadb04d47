import { join } from 'node:path';
import { type Contender, pinnedReference } from './contender.ts';

/** Fetches into an OCI layout, then unpacks a bundle from it; umoci also writes an mtree manifest of what it unpacked. */
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
