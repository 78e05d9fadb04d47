import type { VolumeBacking } from './types.ts';

const UNITS = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'] as const;
/** A reserve for the metadata of the file system and for further images. */
const MARGIN = 1.25;
const GIB = 2 ** 30;

interface Shortage {
  readonly kind: VolumeBacking['kind'];
  /** The bytes that must at least be free. */
  readonly needBytes: number;
  /** The estimated bytes of the unpacked image. */
  readonly likelyBytes: number;
  /** The bytes of the whole file system. */
  readonly sizeBytes: number;
  /** The bytes of it that are free. */
  readonly availableBytes: number;
}

/**
 * Describes an image that does not fit: the bytes that it needs, the bytes that are free, and which setting to raise.
 */
export function explainShortage({ kind, needBytes, likelyBytes, sizeBytes, availableBytes }: Shortage): string {
  const likely = likelyBytes > needBytes ? ` and probably ${formatSize(likelyBytes)}` : '';
  const free = `has ${formatSize(availableBytes)} of ${formatSize(sizeBytes)} free`;
  const figures = `needs at least ${formatSize(needBytes)}${likely}, ${free}`;
  const total = sizeBytes - availableBytes + Math.max(needBytes, likelyBytes);
  const wanted = `${Math.ceil((total * MARGIN) / GIB)}Gi`;
  if (kind === 'device') {
    return `${figures}; raise the annotation contrast.edgeless.systems/image-store-size, or the volume, to ${wanted}`;
  }
  return `${figures}; raise the memory limit of the pod or volume.memory_size, which is half of it by default, so that images have ${wanted}, or give the pod an image store (annotation contrast.edgeless.systems/image-store-size: ${wanted})`;
}

function formatSize(bytes: number): string {
  const power = Math.min(UNITS.length - 1, Math.floor(Math.log2(Math.max(1, bytes)) / 10));
  const value = bytes / 1024 ** power;
  return `${power === 0 ? value : value.toFixed(1)} ${UNITS[power]}`;
}
