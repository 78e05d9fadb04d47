import type { Verdict } from '../types.ts';

export async function evaluateInsecureAcceptAnything(): Promise<Verdict> {
  return { kind: 'accept' };
}
