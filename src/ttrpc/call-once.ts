import { type ClientLimits, openTtrpcClient } from './open-client.ts';
import type { ClientCall, Reply } from './types.ts';

/**
 * Makes one call on a connection of its own. The protocol cannot cancel a call; the server learns of an aborted one
 * when the connection ends. Throws as `openTtrpcClient` and `TtrpcClient.call`.
 */
export async function callOnce(socketPath: string, options: ClientCall, limits: ClientLimits): Promise<Reply> {
  const client = await openTtrpcClient(socketPath, limits, options.signal);
  try {
    return await client.call(options);
  } finally {
    client.close();
  }
}
