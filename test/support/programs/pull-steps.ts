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

export type LayerForm = 'erofs' | 'directory';

/** The steps that only a layer in an image file has. */
const IMAGE_STEPS: readonly string[] = ['loop-attached', 'layer-mounting', 'layer-mounted'];
/** The steps of the daemon after the bundle is complete. */
const ANSWER_STEPS: readonly string[] = ['image-measured', 'pull-answering'];

/** The additional steps where layers are read through hash trees. */
export const TREE_STEPS = ['layer-tree', 'layer-hashed', 'mapping-created', 'mapping-opened'] as const;

/** The additional steps where the CLI writes hash trees, which it does not read through. */
const WRITTEN_TREE_STEPS = ['layer-tree', 'layer-hashed'] as const;

export function daemonSteps(form: LayerForm): readonly string[] {
  return PULL_STEPS.filter((step) => form === 'erofs' || !IMAGE_STEPS.includes(step));
}

/** The steps of the command line, which writes images with hash trees. */
export function cliSteps(form: LayerForm): readonly string[] {
  const trees = form === 'erofs' ? WRITTEN_TREE_STEPS : [];
  return [...daemonSteps(form).filter((step) => !ANSWER_STEPS.includes(step)), ...trees];
}

/** From here on the rootfs of the bundle is mounted, whichever process dies. */
const MOUNTED_FROM = PULL_STEPS.indexOf('mounted');

export function isMountedAt(step: string): boolean {
  return (PULL_STEPS as readonly string[]).indexOf(step) >= MOUNTED_FROM;
}

/**
 * Returns the steps in groups of `size`, in order: a program is killed at each of a group before one pull may end. It
 * passes a later step although it was killed at an earlier one.
 */
export function groupSteps(steps: readonly string[], size: number): readonly (readonly string[])[] {
  return Array.from({ length: Math.ceil(steps.length / size) }, (_, at) => steps.slice(at * size, (at + 1) * size));
}
