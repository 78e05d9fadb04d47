import { prepareBundle } from './prepare-bundle.ts';
import { examineBundle, removeBundle } from './remove-bundle.ts';
import type { BundleOperations } from './types.ts';
import { writeBundle } from './write-bundle.ts';

export function createBundleOperations(checkpoint: (name: string) => void = () => {}): BundleOperations {
  return {
    prepare: ({ directory, given }) => prepareBundle(directory, given),
    write: (request) => writeBundle(request, checkpoint),
    examine: ({ directory }) => examineBundle(directory),
    remove: (request) => removeBundle(request.directory, request),
  };
}
