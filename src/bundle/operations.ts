import { claimBundle, prepareBundle } from './prepare-bundle.ts';
import { abandonBundle, examineBundle, removeBundle } from './remove-bundle.ts';
import type { BundleOperations } from './types.ts';
import { writeBundle } from './write-bundle.ts';

export function createBundleOperations(checkpoint: (name: string) => void = () => {}): BundleOperations {
  return {
    claim: ({ directory, given }) => claimBundle(directory, given),
    prepare: ({ bundle }) => prepareBundle(bundle),
    write: (request) => writeBundle(request, checkpoint),
    examine: ({ directory }) => examineBundle(directory),
    abandon: ({ bundle, madeConfig }) => abandonBundle(bundle, madeConfig),
    remove: (request) => removeBundle(request.directory, request),
  };
}
