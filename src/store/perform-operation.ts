import { assertNever } from '../errors/index.ts';
import { DATA_OPERATIONS } from './data-operations.ts';
import { storeFailed } from './store-failed.ts';
import type { StoreOperation, StoreOperations } from './types.ts';

type StoreResult = ReturnType<StoreOperations[keyof StoreOperations]>;

/** The worker's side of `RunStoreOperation`: synchronous, may block on the disk, throws `SealiftError`. */
export function performStoreOperation(operation: StoreOperation): StoreResult {
  try {
    return perform(operation);
  } catch (error) {
    throw storeFailed(`${operation.kind} in ${operation.request.dataDir}`, error);
  }
}

function perform(operation: StoreOperation): StoreResult {
  switch (operation.kind) {
    case 'prepareData':
      return DATA_OPERATIONS.prepareData(operation.request);
    case 'checkReadOnlyData':
      return DATA_OPERATIONS.checkReadOnlyData(operation.request);
    case 'listData':
      return DATA_OPERATIONS.listData(operation.request);
    case 'presentLayers':
      return DATA_OPERATIONS.presentLayers(operation.request);
    case 'measureStaging':
      return DATA_OPERATIONS.measureStaging(operation.request);
    case 'measureTrash':
      return DATA_OPERATIONS.measureTrash(operation.request);
    case 'makeStaging':
      return DATA_OPERATIONS.makeStaging(operation.request);
    case 'publishLayer':
      return DATA_OPERATIONS.publishLayer(operation.request);
    case 'makeUpper':
      return DATA_OPERATIONS.makeUpper(operation.request);
    case 'moveToTrash':
      return DATA_OPERATIONS.moveToTrash(operation.request);
    case 'emptyTrash':
      return DATA_OPERATIONS.emptyTrash(operation.request);
    case 'measureSpace':
      return DATA_OPERATIONS.measureSpace(operation.request);
    default:
      return assertNever(operation, 'store operation');
  }
}
