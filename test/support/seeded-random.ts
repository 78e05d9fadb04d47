/** Numbers from 0 to below 1, the same for the same seed: https://en.wikipedia.org/wiki/Xorshift of 32 bits. */
export function seededRandom(seed: number): () => number {
  let state = (Math.imul(seed, 0x9e3779b1) ^ 0x85ebca6b) >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state = (state ^ (state << 5)) >>> 0;
    return state / 2 ** 32;
  };
}

/** That of `SEALIFT_SEED`, to repeat a run; otherwise another one each time. */
export function chooseSeed(environment: NodeJS.ProcessEnv): number {
  const given = environment['SEALIFT_SEED'];
  return given === undefined ? Date.now() % 2 ** 32 : Number(given);
}
