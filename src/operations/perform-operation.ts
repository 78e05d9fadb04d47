import type { ArchiveOperation } from '../archive/index.ts';
import { type BundleOperation, performBundleOperation } from '../bundle/index.ts';
import { type DoctorOperation, performDoctorOperation } from '../doctor/index.ts';
import { assertNever } from '../errors/index.ts';
import { performSnapshotOperation, type SnapshotOperation } from '../snapshot/index.ts';
import { performStoreOperation, type StoreOperation } from '../store/index.ts';
import { createLowerView } from '../unpack/index.ts';
import { performVolumeOperation, type VolumeOperation } from '../volume/index.ts';

/** Work of a room on something that may stall, as it travels to a worker. */
export type RoomOperation =
  | { readonly room: 'store'; readonly operation: StoreOperation }
  | { readonly room: 'snapshot'; readonly operation: SnapshotOperation }
  | { readonly room: 'bundle'; readonly operation: BundleOperation }
  | { readonly room: 'doctor'; readonly operation: DoctorOperation }
  | { readonly room: 'volume'; readonly operation: VolumeOperation }
  | { readonly room: 'archive'; readonly operation: ArchiveOperation };

/** The table of a worker entry: which room does what. */
export function performOperation(message: unknown, checkpoint: (name: string) => void): unknown {
  const { room, operation } = message as RoomOperation;
  switch (room) {
    case 'store':
      return performStoreOperation(operation);
    case 'snapshot':
      return performSnapshotOperation(operation, createLowerView, checkpoint);
    case 'bundle':
      return performBundleOperation(operation, checkpoint);
    case 'doctor':
      return performDoctorOperation(operation);
    case 'volume':
      return performVolumeOperation(operation);
    case 'archive':
      // Few pulls need it, and it brings a package along.
      return import('../archive/index.ts').then(async ({ performArchiveOperation }) =>
        performArchiveOperation(operation),
      );
    default:
      return assertNever(room, 'operation');
  }
}
