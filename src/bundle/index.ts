export { createBundleOperations } from './operations.ts';
export type { BundleOperations, GivenBundle, PreparedBundle } from './types.ts';
