import { assertNever } from '../errors/index.ts';
import { prepareBundle } from './prepare-bundle.ts';
import { examineBundle, removeBundle } from './remove-bundle.ts';
import type { BundleOperation, BundleOutcome } from './types.ts';
import { writeBundle } from './write-bundle.ts';

/** Performs an operation in a worker. It is synchronous, takes and returns plain data, and throws refusals. */
export function performBundleOperation(
  operation: BundleOperation,
  checkpoint: (name: string) => void = () => {},
): BundleOutcome {
  switch (operation.kind) {
    case 'prepare':
      return { kind: 'prepared', bundle: prepareBundle(operation.directory, operation.given) };
    case 'write':
      return { kind: 'written', ...writeBundle(operation, checkpoint) };
    case 'examine':
      return { kind: 'examined', bundle: examineBundle(operation.directory) };
    case 'remove':
      removeBundle(operation.directory, operation);
      return { kind: 'removed' };
    default:
      return assertNever(operation, 'bundle operation');
  }
}
