import type { ArchiveOperations } from '../archive/index.ts';
import { type BundleOperations, createBundleOperations } from '../bundle/index.ts';
import { DOCTOR_OPERATIONS, type DoctorOperations } from '../doctor/index.ts';
import { performRoomOperation, type RequestsOf, type RoomOperation, type RoomTables } from '../operations/index.ts';
import type { SignatureOperations } from '../signature/checks/index.ts';
import { createSnapshotOperations, type SnapshotOperations } from '../snapshot/index.ts';
import { STORE_OPERATIONS, type StoreOperations } from '../store/index.ts';
import { VOLUME_OPERATIONS, type VolumeOperations } from '../volume/index.ts';

/** The operations that workers run, by room. */
export interface WorkerOperations {
  readonly store: StoreOperations;
  readonly snapshot: SnapshotOperations;
  readonly bundle: BundleOperations;
  readonly doctor: DoctorOperations;
  readonly volume: VolumeOperations;
  readonly archive: ArchiveOperations;
  readonly signature: SignatureOperations;
}

type WorkerRequests = { readonly [Room in keyof WorkerOperations]: RequestsOf<WorkerOperations[Room]> };

/** One call of an operation as it arrives in a worker. */
export type WorkerCall = RoomOperation<WorkerRequests>;

/** Runs in workers only, which load this module, and with it the rooms, with the first call. */
export function performOperation(call: WorkerCall, checkpoint: (name: string) => void): Promise<unknown> {
  const tables: RoomTables<WorkerRequests> = {
    store: () => STORE_OPERATIONS,
    snapshot: () => createSnapshotOperations(checkpoint),
    bundle: () => createBundleOperations(checkpoint),
    doctor: () => DOCTOR_OPERATIONS,
    volume: () => VOLUME_OPERATIONS,
    // Few pulls need this room, and it loads tar-stream.
    archive: async () => (await import('../archive/index.ts')).ARCHIVE_OPERATIONS,
    signature: async () => (await import('../signature/checks/index.ts')).SIGNATURE_OPERATIONS,
  };
  return performRoomOperation(tables, call);
}
