import type { PlainError } from '../../../src/errors/index.ts';
import type { VolumeRequest, VolumeSettings } from '../../../src/volume/types.ts';

export interface GuestOptions {
  readonly settings: VolumeSettings;
  /** The checkpoint at which the program kills itself. */
  readonly dieAt?: string;
  /** The checkpoint at which it waits, the Nth time for the file `<goOn>.<N>`. */
  readonly pauseAt?: string;
  readonly goOn?: string;
}

export type VolumeCall =
  | { readonly kind: 'prepare'; readonly request: VolumeRequest }
  | { readonly kind: 'backing' | 'status' | 'recordedStatus' | 'passed' }
  | { readonly kind: 'reportStall'; readonly reason: string }
  | { readonly kind: 'readMapping'; readonly name: string };

export type GuestMessage =
  | { readonly isUp: true }
  | { readonly paused: string }
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly error: PlainError };
