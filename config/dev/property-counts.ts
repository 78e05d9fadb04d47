import { configureGlobal } from 'fast-check';
import { IS_SOAK } from '../../test/support/soak.ts';

const fuzzSeconds = Number(process.env['SEALIFT_FUZZ_SECONDS'] ?? 0);

if (fuzzSeconds > 0) {
  configureGlobal({
    numRuns: Number.MAX_SAFE_INTEGER,
    interruptAfterTimeLimit: fuzzSeconds * 1000,
    markInterruptAsFailure: false,
  });
} else if (IS_SOAK) {
  configureGlobal({ numRuns: 5_000 });
}
