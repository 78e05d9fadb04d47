export { checkPolicyFile } from './check-policy-file.ts';
export type { Finding, ImageScope, ListedKey, PolicyCheck } from './types.ts';
