import type { VolumePurpose } from './types.ts';

/** How messages name a volume. */
export const VOLUME_LABELS: Readonly<Record<VolumePurpose, string>> = {
  imageStore: 'image store',
  emptyDir: 'emptyDir volume',
};
