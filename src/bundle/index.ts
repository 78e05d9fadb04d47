export { createRuntimeSpec } from './create-runtime-spec.ts';
export { type MountPoint, mountPointsUnder, parseMountinfo } from './parse-mountinfo.ts';
export { performBundleOperation } from './perform-bundle-operation.ts';
export { resolveUser, type UserDatabase } from './resolve-user.ts';
export type {
  BundleOperation,
  BundleOutcome,
  ExaminedBundle,
  GivenBundle,
  PreparedBundle,
  ResolvedUser,
  RuntimeMount,
  RuntimeSpec,
} from './types.ts';
