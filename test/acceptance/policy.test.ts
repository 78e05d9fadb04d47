import { existsSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { TestBed } from '../support/beds/test-bed.ts';
import type { BuiltImage } from '../support/builders/image-builder.ts';
import { buildSmallImage } from '../support/builders/small-image.ts';
import { describeWith } from '../support/machine/needs.ts';
import { findRemains } from '../support/stores/store-files.ts';

const ACCEPT = [{ type: 'insecureAcceptAnything' }];
const REJECT = [{ type: 'reject' }];
const SIGNED = [{ type: 'signedBy', keyType: 'GPGKeys', keyPath: '/nonexistent.gpg' }];

interface Case {
  readonly title: string;
  readonly by: 'tag' | 'digest';
  /** The document, given the namespace of the image. */
  readonly policy?: (scope: string) => unknown;
  readonly options?: readonly string[];
}

const scoped = (requirements: unknown, otherwise: unknown) => (scope: string) => ({
  default: otherwise,
  transports: { docker: { [scope]: requirements } },
});

const REFUSED: readonly (Case & { readonly code: string; readonly exitCode: number })[] = [
  {
    title: 'rejected by default',
    by: 'digest',
    policy: () => ({ default: REJECT }),
    code: 'POLICY_DENIED',
    exitCode: 3,
  },
  {
    title: 'rejected by its namespace',
    by: 'digest',
    policy: scoped(REJECT, ACCEPT),
    code: 'POLICY_DENIED',
    exitCode: 3,
  },
  { title: 'tagged, where there is no policy', by: 'tag', code: 'POLICY_TAG_UNPINNED', exitCode: 3 },
  {
    title: 'to be signed, and there is no signature',
    by: 'digest',
    policy: scoped(SIGNED, ACCEPT),
    code: 'POLICY_DENIED',
    exitCode: 3,
  },
  {
    title: 'judged by a policy with a key twice',
    by: 'digest',
    policy: () => '{"default":[{"type":"insecureAcceptAnything"}],"default":[{"type":"insecureAcceptAnything"}]}',
    code: 'POLICY_INVALID',
    exitCode: 2,
  },
];

const ACCEPTED: readonly Case[] = [
  { title: 'pinned by digest, where there is no policy', by: 'digest' },
  { title: 'tagged, with --insecure-policy', by: 'tag', options: ['--insecure-policy'] },
  { title: 'accepted by its namespace', by: 'digest', policy: scoped(ACCEPT, REJECT) },
];

describeWith(['root', 'docker-registry'], 'a reference that policy does not accept', () => {
  let bed: TestBed;
  let image: BuiltImage;

  beforeAll(async () => {
    bed = await TestBed.open();
    image = await buildSmallImage(bed.scratch.path);
    await bed.push('team/app', 'latest', image);
  });

  afterAll(() => bed?.[Symbol.asyncDispose]());

  function nameOf(by: Case['by']): string {
    return by === 'tag' ? 'team/app:latest' : `team/app@${image.top.digest}`;
  }

  function optionsFor(policy: Case['policy']): string[] {
    if (policy === undefined) return [];
    const content = policy(`${bed.proxy.host}/team`);
    const path = bed.newPath('policy.json');
    writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
    return ['--policy', path];
  }

  it.each(REFUSED)('$title: no layer is fetched and nothing is left', async ({ by, policy, code, exitCode }) => {
    const [store, bundle] = [bed.newPath('store'), bed.newPath('bundle')];
    bed.proxy.setRules([]);
    const answer = await bed.pull(nameOf(by), [...optionsFor(policy), '--store', store, '--bundle', bundle]);
    expect(answer.error?.code, answer.error?.message).toBe(code);
    expect(answer.code).toBe(exitCode);
    expect(answer.error?.hint).not.toBe('');
    expect(fetchedLayers()).toEqual([]);
    expect(findRemains(store)).toEqual({ layers: [], unfinished: [] });
    expect(existsSync(bundle)).toBe(false);
  });

  it.each(ACCEPTED)('$title: it runs, so the refusals above are the policy', async ({ by, policy, options = [] }) => {
    const [store, bundle] = [bed.newPath('store'), bed.newPath('bundle')];
    bed.proxy.setRules([]);
    const parameters = [...options, ...optionsFor(policy), '--store', store, '--bundle', bundle];
    const { error } = await bed.pull(nameOf(by), parameters);
    expect(error).toBeUndefined();
    expect(fetchedLayers().length).toBe(3);
  });

  it('is judged again when all its layers are in the store', async () => {
    const store = bed.newPath('store');
    expect((await bed.pull(nameOf('digest'), ['--store', store])).error).toBeUndefined();
    const bundle = bed.newPath('bundle');
    const denied = await bed.pull(nameOf('digest'), [
      ...optionsFor(() => ({ default: REJECT })),
      '--store',
      store,
      '--bundle',
      bundle,
    ]);
    expect(denied.error?.code).toBe('POLICY_DENIED');
    expect(existsSync(bundle)).toBe(false);
  });

  function fetchedLayers(): string[] {
    return bed.proxy.requests
      .map(({ path }) => path)
      .filter((path) => image.layers.some(({ digest }) => path.endsWith(digest)));
  }
});
