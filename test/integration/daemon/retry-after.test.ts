import { afterEach, expect, it } from 'vitest';
import { DaemonBed } from '../../support/beds/daemon-bed.ts';
import { file } from '../../support/builders/tar-builder.ts';
import { describeWith } from '../../support/machine/needs.ts';
import { expectFailure } from '../../support/matchers.ts';

const LATER = { kind: 'answer', status: 429, headers: { 'retry-after': '120' }, body: 'slow down' } as const;
/** The kata agent waits for this long. The request must fail long before. */
const CALL_MS = 100_000;

describeWith(['root'], 'a registry that asks to wait longer than the caller does', () => {
  let daemon: DaemonBed | undefined;

  afterEach(async () => {
    await daemon?.[Symbol.asyncDispose]();
    daemon = undefined;
  });

  it.each([
    ['the manifest', 'manifests'],
    ['a layer', 'layer'],
  ] as const)('for %s ends the call at once, with its words', async (_, what) => {
    daemon = await DaemonBed.open({ toml: '[pull]\ntls_verify = false\n' });
    const { bed } = daemon;
    const image = bed.serveImage([[file('a', 'a')]]);
    const match = what === 'layer' ? new RegExp(image.layers.join('|')) : /manifests/;
    bed.registry.inject({ match, times: 9, action: LATER });
    const pull = () => daemon?.pull(bed.reference(image.digest), CALL_MS);
    const error = await expectFailure('HTTP_UNAVAILABLE', pull);
    expect(error.message).toMatch(
      /status 429 \(slow down\); the server asks to wait 2 min, and the call has \d+ s left/,
    );
    expect(error.hint).toContain('pull again in 2 min');
    expect(bed.registry.requestsTo(match)).toHaveLength(1);
  });
});
