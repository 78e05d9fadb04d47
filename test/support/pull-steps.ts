/**
 * The checkpoints of a pull of the daemon that fetches a layer and mounts it, in the order of the story; those of the
 * two layer threads lie beside each other.
 */
export const PULL_STEPS = [
  'store-opened',
  'bundle-prepared',
  'image-resolved',
  'image-authorised',
  'documents-kept',
  'staging-made',
  'layer-fetch',
  'layer-apply',
  'layer-fetched',
  'layer-applied',
  'layer-staged',
  'record-written',
  'published',
  'image-recorded',
  'name-written',
  'loop-attached',
  'layer-mounting',
  'layer-mounted',
  'upper-made',
  'upper-prepared',
  'mount-recorded',
  'mounted',
  'config-staged',
  'config-written',
  'image-measured',
  'pull-answering',
] as const;

/** Those that come on top where layers are read through hash trees. */
export const TREE_STEPS = ['layer-tree', 'layer-hashed', 'mapping-created', 'mapping-opened'] as const;

/** From here on the rootfs of the bundle is mounted, whoever dies. */
const MOUNTED_FROM = PULL_STEPS.indexOf('mounted');

export function isMountedAt(step: string): boolean {
  return (PULL_STEPS as readonly string[]).indexOf(step) >= MOUNTED_FROM;
}
