import { inlineUri, type LoadOptions, loadText } from '../resources/index.ts';
import { parsePolicy } from './policy/index.ts';
import type { PolicyChoice } from './types.ts';

/** What the configuration says about the policy. */
export interface PolicySettings {
  /** Where the policy is. */
  readonly policy: { readonly value: string | undefined };
  /** True: any image may run. */
  readonly insecurePolicy: { readonly value: boolean };
}

/**
 * Loads the policy that decides on images; undefined: the configuration has none. The text of one that is part of the
 * configuration comes before all settings. Throws `POLICY_INVALID`.
 */
export async function loadPolicy(
  { policy, insecurePolicy }: PolicySettings,
  { resources, ...load }: LoadOptions,
  inline?: string,
): Promise<PolicyChoice> {
  if (inline === undefined && insecurePolicy.value) return 'insecure-accept-anything';
  const uri = inline === undefined ? policy.value : inlineUri(inline);
  if (uri === undefined) return undefined;
  return parsePolicy(await loadText(resources, uri, { ...load, what: 'policy', code: 'POLICY_INVALID' }));
}
