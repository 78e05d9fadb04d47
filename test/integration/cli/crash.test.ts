import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseDigest } from '../../../src/oci/index.ts';
import { umount } from '../../../src/platform/index.ts';
import { statePath } from '../../../src/store/layout.ts';
import { tryLockFile } from '../../../src/store/lock-file.ts';
import { PullBed } from '../../support/beds/pull-bed.ts';
import { TestBed } from '../../support/beds/test-bed.ts';
import { buildCrashImage, IMAGE_KINDS, type ImageKind, KEPT } from '../../support/builders/crash-images.ts';
import type { BuiltImage } from '../../support/builders/image-builder.ts';
import { dir, file } from '../../support/builders/tar-builder.ts';
import { loopsBelow } from '../../support/machine/loops.ts';
import { mountsBelow } from '../../support/machine/mounts.ts';
import { describeWith } from '../../support/machine/needs.ts';
import { compareTrees, readTree, type Tree } from '../../support/oracles/tree.ts';
import { cliSteps, groupSteps, isMountedAt, type LayerForm } from '../../support/programs/pull-steps.ts';
import { SteppingCli } from '../../support/programs/stepping-cli.ts';
import { countFetches } from '../../support/proxies/tamper-proxy.ts';
import { attachUnderTag } from '../../support/signatures/attach.ts';
import { makeSigner, payloadFor, signPayload } from '../../support/signatures/sigstore-builder.ts';
import { IS_SOAK } from '../../support/soak.ts';
import { contentsOf, emptyContents, halvesOf, listContents } from '../../support/stores/store-contents.ts';

const ROUNDS = IS_SOAK ? 3 : 1;
/** The short run kills two commands, one after the other, before a pull may end. */
const KILLS = IS_SOAK ? 1 : 2;
/** The short run kills the command line with this form and the daemon with the other. */
const FORMS: readonly LayerForm[] = IS_SOAK ? ['erofs', 'directory'] : ['directory'];

/** Each step runs with different images in different rounds, and every round covers all images. */
function rowsOf(form: LayerForm) {
  return groupSteps(cliSteps(form), KILLS).flatMap((steps, at) =>
    Array.from({ length: ROUNDS }, (_, round) => {
      const kind = IMAGE_KINDS[(at + round) % IMAGE_KINDS.length] ?? 'gzip';
      return { steps, kind, round: round + 1 };
    }),
  );
}

/** Every row continues with the store and the container that the previous row left. */
describeWith(['root', 'docker-registry', 'getfattr'], 'sealift killed while it pulls', () => {
  let bed: TestBed;
  let program: SteppingCli;
  const images = new Map<ImageKind, BuiltImage>();
  const references = new Map<ImageKind, Tree>();

  beforeAll(async () => {
    bed = await TestBed.open();
    program = await SteppingCli.open(bed.newPath('program'));
    for (const kind of IMAGE_KINDS) {
      const image = await buildCrashImage(kind, kind, bed.scratch.path);
      await bed.push('crash', kind, image);
      images.set(kind, image);
      const tree = bed.newPath('tree');
      const reference = bed.reference(`crash@${image.top.digest}`);
      expect((await program.run(['pull', reference, '--tls-verify=false', '--unpack', tree])).error).toBeUndefined();
      references.set(kind, await readTree(tree));
    }
  });

  afterAll(() => bed?.[Symbol.asyncDispose]());

  function imageOf(kind: ImageKind): BuiltImage {
    const image = images.get(kind);
    if (image === undefined) throw new Error(`no image ${kind}`);
    return image;
  }

  describe.each(FORMS)('with layers in the form %s', (form) => {
    let cli: SteppingCli;
    let store: string;
    /** The bundle that the previous row left. */
    let running: string;

    beforeAll(() => {
      store = bed.newPath('store');
      cli = program.withEnvironment({ SEALIFT_STORE_LAYER_FORMAT: form, SEALIFT_STORE_VERITY: 'always' });
    });

    const pullOf = (kind: ImageKind, bundle: string) => [
      ...['pull', bed.reference(`crash@${imageOf(kind).top.digest}`), '--tls-verify=false'],
      ...['--store', store, '--bundle', bundle],
    ];

    async function pull(kind: ImageKind, bundle: string): Promise<void> {
      const { error, result } = await cli.run(pullOf(kind, bundle));
      expect(error).toBeUndefined();
      expect(result['manifestDigest']).toBe(imageOf(kind).manifest.digest);
    }

    async function expectTree(bundle: string, kind: ImageKind): Promise<void> {
      expect(mountsBelow(bundle)).toEqual([`${bundle}/rootfs`]);
      const tree = await readTree(`${bundle}/rootfs`);
      expect(compareTrees(tree, references.get(kind) ?? new Map())).toEqual([]);
    }

    async function prune(): Promise<readonly string[]> {
      expect((await cli.run(['prune', '--all', '--store', store])).error).toBeUndefined();
      return listContents(halvesOf(store));
    }

    /** Removes bundles as an agent does after their containers have ended. */
    function removeBundles(bundles: readonly string[]): void {
      for (const bundle of bundles) {
        umount(`${bundle}/rootfs`);
        rmSync(bundle, { recursive: true });
      }
    }

    it('passes the named steps, and no others', async () => {
      const bundle = bed.newPath('bundle');
      const passed = await cli.watch(() => pull('repeated', bundle));
      expect([...new Set(passed)].sort()).toEqual([...cliSteps(form)].sort());
      running = bundle;
    });

    it.each(rowsOf(form))(
      'killed at $steps, image $kind, round $round: the next pull is right, and prune leaves what is in use',
      async ({ steps, kind }) => {
        const others = [running];
        bed.proxy.setRules([]);
        running = bed.newPath('bundle');
        for (const step of steps) {
          expect(await cli.runAndDie(step, pullOf(kind, running))).toBe('SIGKILL');
          if (!isMountedAt(step)) continue;
          // The bundle is complete and may be in use by a container, so the pull mounts nothing over it.
          expect((await cli.run(pullOf(kind, running))).error?.code).toBe('BUNDLE_INVALID');
          await expectTree(running, kind);
          others.push(running);
          running = bed.newPath('bundle');
        }
        await pull(kind, running);
        removeBundles(others);
        expect(await prune()).toEqual(contentsOf(form, KEPT[kind]));
        await expectTree(running, kind);
        // A published layer is complete, so no later pull asks for it again.
        const own = imageOf(kind).layers[1]?.digest ?? '';
        if (steps.every(isRecordedAt)) expect(countFetches(bed.proxy, own)).toBe(KEPT[kind].needingChain + 1);
      },
    );

    it('keeps nothing when the last container has gone', async () => {
      removeBundles([running]);
      expect(await prune()).toEqual(emptyContents(form));
      expect(mountsBelow(store)).toEqual([]);
      await expect.poll(() => [...loopsBelow(store)]).toEqual([]);
      const lock = tryLockFile(`${store}/state/lock/store`, 'exclusive');
      expect(lock, 'the lock of the store is free').toBeDefined();
      lock?.release();
    });
  });

  it('killed after the policy has accepted a signature: it is kept whole or not at all, and the image starts', async () => {
    await using stack = new AsyncDisposableStack();
    const signed = stack.adopt(await PullBed.open(), (each) => each.close());
    const { registry } = signed;
    const image = signed.serveImage([[dir('./'), file('f', 'content')]]);
    const signer = makeSigner();
    const attachment = signPayload(signer, payloadFor(image.digest, `${registry.host}/app`));
    attachUnderTag(registry, { repository: 'app', digest: image.digest }, [attachment]);
    const requirement = {
      type: 'sigstoreSigned',
      keyPath: signed.path('cosign.pub'),
      signedIdentity: { type: 'digestOnly' },
    };
    writeFileSync(signed.path('cosign.pub'), signer.publicKey);
    writeFileSync(signed.path('policy.json'), JSON.stringify({ default: [requirement] }));
    for (const step of ['image-authorised', 'documents-kept', ...(IS_SOAK ? ['published', 'image-recorded'] : [])]) {
      const isKept = step !== 'image-authorised';
      const store = signed.path(step);
      const parameters = [
        ...['pull', signed.reference(image.digest), '--tls-verify=false', '--policy', signed.path('policy.json')],
        ...['--store', store],
      ];
      expect(await program.runAndDie(step, parameters), step).toBe('SIGKILL');
      const record = statePath.signatures(`${store}/state`, parseDigest(image.digest));
      expect(existsSync(record), step).toBe(isKept);
      registry.requests.length = 0;
      expect((await program.run(parameters)).error, step).toBeUndefined();
      expect(registry.requestsTo(/\.sig$/).length > 0, step).toBe(!isKept);
      // Both have kept the same, which is enough without the registry.
      registry.inject({ match: /^/, times: 99, action: { kind: 'hang-up' } });
      registry.requests.length = 0;
      const { error, result } = await program.run(parameters);
      expect(error, step).toBeUndefined();
      expect(result['signers'], step).toMatchObject([{ isKept: true }]);
      expect(registry.requests, step).toEqual([]);
      registry.forgetFaults();
    }
  });

  function isRecordedAt(step: string): boolean {
    const steps = cliSteps('directory');
    return steps.indexOf(step) >= steps.indexOf('image-recorded');
  }
});
