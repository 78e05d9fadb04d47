import { asSealiftError } from '../errors/index.ts';
import type { PullStatistics } from './pull-statistics.ts';
import type { PullService } from './types.ts';

/** Returns the same service, with its calls counted. */
export function countPulls(service: PullService, statistics: PullStatistics, nowMs: () => number): PullService {
  return {
    pullImage: async (call) => {
      const startedMs = nowMs();
      const ended = statistics.begin();
      const seconds = (): number => (nowMs() - startedMs) / 1000;
      try {
        const answer = await service.pullImage(call);
        ended('ok', seconds());
        return answer;
      } catch (error) {
        ended(asSealiftError(error).code, seconds());
        throw error;
      }
    },
  };
}
