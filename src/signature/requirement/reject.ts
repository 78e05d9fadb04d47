import type { Verdict } from '../types.ts';

export async function evaluateReject(): Promise<Verdict> {
  return { kind: 'deny', reason: 'requirement "reject" lets no image run' };
}
