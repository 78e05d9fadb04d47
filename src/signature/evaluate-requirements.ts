import type { Requirement, Requirements } from './policy/index.ts';
import { evaluateInsecureAcceptAnything } from './requirement/insecure-accept-anything.ts';
import { evaluateReject } from './requirement/reject.ts';
import { evaluateSignedBy } from './requirement/signed-by.ts';
import { evaluateSigstoreSigned } from './requirement/sigstore-signed.ts';
import type { Verdict } from './types.ts';

/** One file for each type; the compiler wants a case for every new one. */
function evaluate(requirement: Requirement): Promise<Verdict> {
  switch (requirement.type) {
    case 'reject':
      return evaluateReject();
    case 'insecureAcceptAnything':
      return evaluateInsecureAcceptAnything();
    case 'signedBy':
      return evaluateSignedBy();
    case 'sigstoreSigned':
      return evaluateSigstoreSigned();
  }
}

/**
 * The verdict over a whole list: every requirement must accept. One denial decides, whatever else cannot be verified;
 * an empty list accepts nothing.
 */
export async function evaluateRequirements(requirements: Requirements): Promise<Verdict> {
  const verdicts = await Promise.all(requirements.map(evaluate));
  return (
    verdicts.find(({ kind }) => kind === 'deny') ??
    verdicts.find(({ kind }) => kind === 'unsupported') ??
    verdicts[0] ?? { kind: 'deny', reason: 'there is no requirement that could accept the image' }
  );
}
