export { createRuntimeSpec } from './create-runtime-spec.ts';
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
