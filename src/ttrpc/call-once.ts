import { type ClientLimits, openTtrpcClient } from './open-client.ts';
import type { CallOptions, Reply } from './types.ts';

/**
 * One call on a connection of its own: the protocol cannot cancel a call, but its end is seen when the connection ends.
 * Throws as `openTtrpcClient` and `TtrpcClient.call`.
 */
export async function callOnce(socketPath: string, options: CallOptions, limits: ClientLimits): Promise<Reply> {
  const client = await openTtrpcClient(socketPath, limits, options.signal);
  try {
    return await client.call(options);
  } finally {
    client.close();
  }
}
