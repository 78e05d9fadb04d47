import type { PullBed } from '../../support/beds/pull-bed.ts';
import type { FakeAuth } from '../../support/registries/fake-registry.ts';
import type { PullerName, Verdict } from './pullers.ts';

/** One input that users have, and what each program makes of it. */
export interface PullRow {
  readonly title: string;
  /** What the registry asks for; nothing when absent. */
  readonly auth?: FakeAuth;
  /**
   * Fills the registry of the bed as `app` and returns a tag or digest of it. Called once for each program, with a bed
   * of its own, so that faults and recorded requests are not shared.
   */
  readonly serve: (bed: PullBed) => string;
  /** Those of Debian 12: skopeo 1.9.3, podman 4.3.1, containerd 1.6.20. */
  readonly verdicts: Readonly<Record<PullerName, Verdict>>;
}

/** Most rows: Sealift's verdict, and that all others pull. */
export function othersPull(sealift: Verdict): PullRow['verdicts'] {
  return { sealift, skopeo: 'pulls', podman: 'pulls', containerd: 'pulls' };
}
