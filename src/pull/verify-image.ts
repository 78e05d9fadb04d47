import { type ErrorCode, prefixError, SealiftError, toPlainError } from '../errors/index.ts';
import { formatImageLocation } from '../oci/index.ts';
import { type AuthorizedImage, describeJudgement, type GateReport, type PolicyChoice } from '../signature/index.ts';
import { openNamedImage } from './named-image.ts';
import type { GatePorts } from './ports.ts';
import { authorise } from './prepare-image.ts';
import { resolveImage } from './resolve-image.ts';
import type { VerifyRequest, VerifyResult } from './types.ts';

/** Errors with which the gate refuses an image; any other one says that it could not be judged. */
const REFUSALS: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'POLICY_DENIED',
  'POLICY_REQUIREMENT_UNSUPPORTED',
  'SIGNATURE_UNAVAILABLE',
  'SIGNATURE_LIMIT_EXCEEDED',
]);

type Judgement = Pick<VerifyResult, 'verdict' | 'basis' | 'policy' | 'error'>;

/** A digest alone, or the statement that anything may run, is no verdict of a policy. */
function assertPolicy(policy: PolicyChoice): void {
  if (typeof policy === 'object') return;
  throw new SealiftError('USAGE', 'expected a policy that judges the image, got none', {
    hint: 'give a policy with --policy, or as pull.policy in the file of -c',
  });
}

/**
 * Asks the gate of a pull about an image, and reports how each requirement and each signature was judged. No layer is
 * asked for and no store is opened. A pull ends the search at the first good signature; here every location is searched
 * and every signature verified, which changes no verdict. Throws when there is no policy or the image cannot be judged.
 */
export async function verifyImage(
  { reference: unsafeReference }: VerifyRequest,
  ports: GatePorts,
  signal: AbortSignal,
): Promise<VerifyResult> {
  try {
    assertPolicy(ports.policy);
    await using named = await openNamedImage({ unsafeReference, ports, scratchDir: undefined, signal });
    const { reference, source, assertTransport } = named;
    const { platform, limits } = ports;
    const resolved = await resolveImage({ source, reference, platform, limits, documents: undefined, signal });
    const judgement = await judge(async (onJudged) => {
      const image = await authorise(resolved, named, {
        ports,
        storage: undefined,
        signal,
        onJudged,
        examinesAll: true,
      });
      assertTransport(image);
      return image;
    });
    return {
      name: formatImageLocation(reference),
      manifestDigest: resolved.manifest.digest,
      indexDigest: resolved.indexes[0]?.digest,
      ...judgement,
      warnings: source.remarks(),
    };
  } catch (error) {
    throw prefixError(`verify ${unsafeReference}`, error);
  }
}

async function judge(
  authoriseImage: (onJudged: (report: GateReport) => void) => Promise<AuthorizedImage>,
): Promise<Judgement> {
  let policy: VerifyResult['policy'] | undefined;
  const reported = (): VerifyResult['policy'] => {
    if (policy === undefined) throw new SealiftError('INTERNAL', 'expected a report of the gate, got none');
    return policy;
  };
  try {
    const { basis } = await authoriseImage((report) => {
      policy = describeJudgement(report);
    });
    return { verdict: 'accepted', basis, policy: reported(), error: undefined };
  } catch (error) {
    if (!(error instanceof SealiftError) || !REFUSALS.has(error.code)) throw error;
    const { code, kind, message, hint } = toPlainError(error);
    return { verdict: kind, basis: undefined, policy: reported(), error: { code, kind, message, hint } };
  }
}
