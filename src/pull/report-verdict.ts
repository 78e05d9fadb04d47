import { asSealiftError } from '../errors/index.ts';
import { type AuthorizedImage, type GateReport, summarizeJudgement } from '../signature/index.ts';
import type { PullPorts } from './ports.ts';
import type { ProgressEvent } from './types.ts';

type Judge = (onJudged: (report: GateReport) => void) => Promise<AuthorizedImage>;

/** Runs the gate, and reports how it decided and how long that took. A pull that was cancelled has no verdict. */
export async function reportVerdict(
  { nowMs, onProgress }: Pick<PullPorts, 'nowMs' | 'onProgress'>,
  judge: Judge,
): Promise<AuthorizedImage> {
  const startedMs = nowMs();
  let report: GateReport | undefined;
  const end = (result: Extract<ProgressEvent, { type: 'verdict' }>['result']): void => {
    const seconds = (nowMs() - startedMs) / 1000;
    onProgress({ type: 'verdict', result, seconds, summary: summarizeJudgement(report, result) });
  };
  try {
    const image = await judge((judged) => {
      report = judged;
    });
    end('accepted');
    return image;
  } catch (error) {
    const { code, kind } = asSealiftError(error);
    if (code !== 'PULL_CANCELLED') end(kind);
    throw error;
  }
}
