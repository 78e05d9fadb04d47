import { SealiftError } from '../errors/index.ts';
import { DEFAULT_LIMITS } from '../limits/index.ts';
import { callOnce, payloadOf } from '../ttrpc/index.ts';
import { defineMeasurementMessages } from './messages.ts';
import type { Measurement, MeasurementResult } from './types.ts';

const SERVICE = 'attestation_agent.AttestationAgentService';
const METHOD = 'ExtendRuntimeMeasurement';
/** The same timeout as confidential-data-hub's. */
const TIMEOUT_NANOS = 10_000_000_000n;
/** https://github.com/confidential-containers/guest-components/blob/main/protos/protos/attestation-agent/attestation-agent.proto */
const RESULTS: readonly MeasurementResult[] = ['extended', 'notSupported', 'notEnabled'];

const { request, response } = defineMeasurementMessages(DEFAULT_LIMITS);

/**
 * Sends an event to the attestation agent, which adds it to its log and to a measurement register. Returns `absent`
 * when the socket does not exist, because then this guest has no agent. Throws `API_MEASUREMENT_FAILED`, or the
 * signal's reason.
 */
export async function extendRuntimeMeasurement(measurement: Measurement): Promise<MeasurementResult> {
  const { socketPath, domain, operation, content, registerIndex, signal } = measurement;
  const payload = request.encode({ domain, operation, content, registerIndex });
  const call = { service: SERVICE, method: METHOD, payload, timeoutNanos: TIMEOUT_NANOS, signal };
  try {
    const reply = await callOnce(socketPath, call, DEFAULT_LIMITS);
    const { result } = response.decode(payloadOf(reply, 'attestation agent'));
    const known = RESULTS[result];
    if (known !== undefined) return known;
    throw new SealiftError('TTRPC_MESSAGE_INVALID', `attestation agent: expected result 0 to 2, got ${result}`);
  } catch (cause) {
    if (signal.aborted && signal.reason === cause) throw cause;
    if (cause instanceof SealiftError && cause.context['errno'] === 'ENOENT') return 'absent';
    throw new SealiftError('API_MEASUREMENT_FAILED', `extend runtime measurement: ${(cause as Error).message}`, {
      cause,
    });
  }
}

/**
 * Returns the event for a pulled image. It equals that of confidential-data-hub in every character, since verifiers
 * compare the text.
 */
export function pulledImageEvent(image: string, digest: string): Pick<Measurement, 'domain' | 'operation' | 'content'> {
  return {
    domain: 'github.com/confidential-containers',
    operation: 'PullImage',
    content: `{"image":${JSON.stringify(image)}, "digest":${JSON.stringify(digest)}}`,
  };
}
