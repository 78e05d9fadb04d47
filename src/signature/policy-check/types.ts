import type { Limits } from '../../limits/index.ts';
import type { ResourceLoader } from '../../resources/index.ts';
import type { KeySource, RequirementType } from '../policy/index.ts';
import type { ExaminedKey, KeyForm } from '../signed-content/index.ts';
import type { KeyExaminer, KeyLoader } from '../types.ts';

/**
 * `fail`: the policy does not do what it says, or a part of it can never count. `warn`: it lets run more than most owners
 * want. `note`: what is good to know, such as what other tools make of the file.
 */
export type FindingStatus = 'fail' | 'warn' | 'note';

/** What the check has found at one position of the file. */
export interface Finding {
  readonly status: FindingStatus;
  /** The name for scripts; it never changes its meaning. */
  readonly check: 'default' | 'scope' | 'requirement' | 'key' | 'portability';
  /** The position in the file: `transports.docker["quay.io"][0]`. */
  readonly where: string;
  readonly detail: string;
  /** What to do; undefined: nothing, or the detail says it. */
  readonly remedy: string | undefined;
}

/** A key that a requirement names. */
export interface ListedKey extends ExaminedKey {
  readonly where: string;
  /** The member of the requirement that has the key, such as `rekorPublicKeyPath`. */
  readonly member: string;
}

/** Which list of requirements applies to an image. */
export interface ImageScope {
  /** The name, fully expanded. */
  readonly reference: string;
  /** `scope "…"` or `default`. */
  readonly scope: string;
  readonly requirements: readonly { readonly type: RequirementType; readonly keys: string }[];
}

/** The result of a check. */
export interface PolicyCheck {
  /** In the order of the file. */
  readonly findings: readonly Finding[];
  readonly keys: readonly ListedKey[];
  readonly images: readonly ImageScope[];
}

/** Key material that a requirement names in one member. */
export interface KeyMaterial {
  /** The beginning of the member's name: `key`, `rekorPublicKey`, `ca` … */
  readonly prefix: string;
  readonly source: KeySource;
  readonly form: KeyForm;
  /** True: signatures of a proven time count although this has expired since. */
  readonly isTimed?: boolean;
}

export interface CheckPorts {
  readonly resources: ResourceLoader;
  readonly limits: Pick<Limits, 'maxConfigurationBytes'>;
  readonly keys: KeyLoader;
  readonly verifier: KeyExaminer;
}
