import { randomBytes } from 'node:crypto';
import { asSealiftError } from '../errors/index.ts';
import type { Logger } from '../log/index.ts';
import type { Method, MethodCall, Reply } from '../ttrpc/index.ts';
import { failAsHub, type HubOperation } from './fail-as-hub.ts';

/** Creates a method that gives each call a request id, and logs and answers failures as confidential-data-hub does. */
export function createHubMethod(
  operation: HubOperation,
  run: (call: MethodCall, requestId: string) => Promise<Reply>,
  log: Logger,
): Method {
  return async (call) => {
    const requestId = randomBytes(4).toString('hex');
    const callLog = log.child({ requestId, service: call.service, method: call.method });
    callLog.debug({}, 'call received');
    try {
      const reply = await run(call, requestId);
      callLog.debug({ status: reply.status.code }, 'call answered');
      return reply;
    } catch (error) {
      const known = asSealiftError(error);
      callLog.warn({ code: known.code, error: known.message }, 'call failed');
      return failAsHub(operation, known);
    }
  };
}
