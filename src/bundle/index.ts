export { lockBundle } from './lock-bundle.ts';
export { createBundleOperations } from './operations.ts';
export type { BundleLock, BundleOperations, GivenBundle, PreparedBundle } from './types.ts';
