import { configureGlobal } from 'fast-check';

const fuzzSeconds = Number(process.env['SEALIFT_FUZZ_SECONDS'] ?? 0);

if (fuzzSeconds > 0) {
  configureGlobal({
    numRuns: Number.MAX_SAFE_INTEGER,
    interruptAfterTimeLimit: fuzzSeconds * 1000,
    markInterruptAsFailure: false,
  });
} else if (process.env['SEALIFT_SOAK'] !== undefined) {
  configureGlobal({ numRuns: 5_000 });
}
