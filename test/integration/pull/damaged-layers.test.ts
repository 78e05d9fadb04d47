import { createHash } from 'node:crypto';
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { STAGED_IMAGE } from '../../../src/layer-formats/formats.ts';
import { umount } from '../../../src/platform/index.ts';
import { PullBed, type ServedImage } from '../../support/beds/pull-bed.ts';
import { composeTestCli } from '../../support/beds/test-cli.ts';
import { pseudoRandom } from '../../support/builders/small-image.ts';
import { dir, file, tar } from '../../support/builders/tar-builder.ts';
import { mountsBelow, unmountBelow } from '../../support/machine/mounts.ts';
import { describeWith } from '../../support/machine/needs.ts';
import { expectFailure } from '../../support/matchers.ts';
import { compareTrees, readTree, type Tree } from '../../support/oracles/tree.ts';
import type { LayerForm } from '../../support/programs/pull-steps.ts';
import { contentsOf, emptyContents, halvesOf, listContents } from '../../support/stores/store-contents.ts';

const FORMS: readonly LayerForm[] = ['erofs', 'directory'];
const SHARED = [dir('./'), dir('etc'), file('etc/shared', pseudoRandom(50_000, 'shared'))];
const OWN = [file('own', pseudoRandom(40_000, 'own'))];
const OWN_DIFF_ID = createHash('sha256').update(tar(OWN)).digest('hex');

/** Damage to a layer, or to its record, in a store that is not in use. */
interface Damage {
  readonly what: string;
  readonly forms: readonly LayerForm[];
  readonly alter: (paths: LayerPaths) => void;
}

interface LayerPaths {
  readonly layer: string;
  readonly record: string;
  readonly elsewhere: string;
}

const remove = (path: string) => rmSync(path, { recursive: true });
const [IMAGES, DIRECTORIES] = [['erofs'], ['directory']] as const;

const DAMAGES: readonly Damage[] = [
  { what: 'gone', forms: FORMS, alter: ({ layer }) => remove(layer) },
  { what: 'without its record', forms: FORMS, alter: ({ record }) => remove(record) },
  {
    what: 'a symlink to itself elsewhere',
    forms: FORMS,
    alter: ({ layer, elsewhere }) => {
      renameSync(layer, elsewhere);
      symlinkSync(elsewhere, layer);
    },
  },
  {
    what: 'a directory',
    forms: IMAGES,
    alter: ({ layer }) => {
      remove(layer);
      mkdirSync(layer);
      writeFileSync(`${layer}/own`, 'planted');
    },
  },
  {
    what: 'a file',
    forms: DIRECTORIES,
    alter: ({ layer }) => {
      remove(layer);
      writeFileSync(layer, 'planted');
    },
  },
  { what: 'empty', forms: IMAGES, alter: ({ layer }) => truncateSync(layer) },
  { what: 'a block shorter', forms: IMAGES, alter: ({ layer }) => truncateSync(layer, 4096) },
  { what: 'a block longer', forms: IMAGES, alter: ({ layer }) => appendFileSync(layer, Buffer.alloc(4096)) },
];

/** A change to a layer between its last check and its publishing. */
interface Interference {
  readonly what: string;
  readonly forms: readonly LayerForm[];
  readonly alter: (staging: string, elsewhere: string) => void;
}

const INTERFERENCES: readonly Interference[] = [
  { what: 'gone', forms: FORMS, alter: (staging) => remove(staging) },
  { what: 'a block shorter', forms: IMAGES, alter: (staging) => truncateSync(`${staging}/${STAGED_IMAGE}`, 4096) },
  {
    what: 'a block longer',
    forms: IMAGES,
    alter: (staging) => appendFileSync(`${staging}/${STAGED_IMAGE}`, Buffer.alloc(4096)),
  },
  {
    what: 'an image elsewhere',
    forms: IMAGES,
    alter: (staging, elsewhere) => {
      renameSync(`${staging}/${STAGED_IMAGE}`, elsewhere);
      symlinkSync(elsewhere, `${staging}/${STAGED_IMAGE}`);
    },
  },
  {
    what: 'a tree elsewhere',
    forms: DIRECTORIES,
    alter: (staging, elsewhere) => {
      renameSync(staging, elsewhere);
      symlinkSync(elsewhere, staging);
    },
  },
  {
    what: 'a file',
    forms: DIRECTORIES,
    alter: (staging) => {
      remove(staging);
      writeFileSync(staging, 'planted');
    },
  },
];

describeWith(['root', 'getfattr'], 'a layer that is not what it was', () => {
  describe.each(FORMS)('in the form %s', (form) => {
    let bed: PullBed;
    let image: ServedImage;
    let reference: Tree;
    const settings = { 'store.layer_format': form } as const;
    const io = { signal: new AbortController().signal, onProgress: () => {} };

    beforeAll(async () => {
      bed = await PullBed.open();
      image = bed.serveImage([SHARED, OWN]);
      await pull();
      reference = await readTree(bed.path('bundle/rootfs'));
      removeBundle();
      await prune(false);
      cpSync(bed.path('store'), bed.path('template'), { recursive: true, preserveTimestamps: true });
    });

    afterAll(async () => {
      await unmountBelow(bed.directory);
      await bed.close();
    });

    beforeEach(() => {
      rmSync(bed.path('store'), { recursive: true, force: true });
      bed.registry.requests.length = 0;
    });

    afterEach(async () => {
      await unmountBelow(bed.path('bundle'));
      await unmountBelow(bed.path('store'));
      for (const name of ['bundle', 'elsewhere']) rmSync(bed.path(name), { recursive: true, force: true });
    });

    function keepStore(): void {
      cpSync(bed.path('template'), bed.path('store'), { recursive: true, preserveTimestamps: true });
    }

    const pull = () => bed.pull(image.digest, { kind: 'bundle', directory: bed.path('bundle') }, { settings });

    /** Pulls like the function above, while `checkpoint` interferes. */
    function pullWatched(checkpoint: (name: string) => void): Promise<unknown> {
      const options = {
        reference: bed.reference(image.digest),
        target: { kind: 'bundle', directory: bed.path('bundle') },
        settings: { ...settings, 'store.root': bed.path('store'), 'pull.tls_verify': false },
        ...{ credentials: undefined, configFile: undefined, debug: false },
      } as const;
      return composeTestCli({ checkpoint }).pull(options, io);
    }

    function prune(all: boolean): Promise<unknown> {
      const options = { settings: { 'store.root': bed.path('store') }, configFile: undefined, debug: false };
      return composeTestCli().prune({ ...options, ofDaemon: false, all }, io);
    }

    /** Removes the bundle as an agent does after its container has ended. */
    function removeBundle(): void {
      umount(bed.path('bundle/rootfs'));
      remove(bed.path('bundle'));
    }

    function layerPaths(): LayerPaths {
      const key = `${form}-v1-diffid-${OWN_DIFF_ID}`;
      return {
        layer: bed.path(`store/data/layers/${key}${form === 'erofs' ? '.erofs' : ''}`),
        record: bed.path(`store/state/layers/${key}.json`),
        elsewhere: bed.path('elsewhere'),
      };
    }

    const fetches = () => image.layers.map((digest) => bed.fetchesOf(digest));

    async function expectRight(): Promise<void> {
      expect(mountsBelow(bed.path('bundle'))).toEqual([bed.path('bundle/rootfs')]);
      expect(compareTrees(await readTree(bed.path('bundle/rootfs')), reference)).toEqual([]);
    }

    async function expectAllGivenBack(): Promise<void> {
      removeBundle();
      await prune(true);
      expect(listContents(halvesOf(bed.path('store')))).toEqual(emptyContents(form));
      expect(mountsBelow(bed.path('store'))).toEqual([]);
    }

    it('is not there: a whole store makes a right rootfs without a request', async () => {
      keepStore();
      expect([existsSync(layerPaths().layer), existsSync(layerPaths().record)]).toEqual([true, true]);
      await pull();
      expect(bed.registry.requests).toEqual([]);
      await expectRight();
      await expectAllGivenBack();
    });

    it.each(DAMAGES.filter(({ forms }) => forms.includes(form)))('$what: is fetched again', async ({ alter }) => {
      keepStore();
      alter(layerPaths());
      const kept = listTree(layerPaths().elsewhere);
      await pull();
      expect(fetches()).toEqual([0, 1]);
      await expectRight();
      expect(listContents(halvesOf(bed.path('store')))).toEqual(
        contentsOf(form, { layers: ['diffid', 'diffid'], needingChain: 0 }),
      );
      await expectAllGivenBack();
      expect(listTree(layerPaths().elsewhere), 'nothing was removed through a link').toEqual(kept);
    });

    it.each(INTERFERENCES.filter(({ forms }) => forms.includes(form)))(
      '$what, before it is published: the pull is refused, and the next one is right',
      async ({ alter }) => {
        keepStore();
        remove(layerPaths().layer);
        let altered = 0;
        const interfere = (name: string) => {
          if (name !== 'layer-staged') return;
          const [staging = ''] = readdirSync(bed.path('store/data/staging'));
          alter(bed.path(`store/data/staging/${staging}`), bed.path('elsewhere'));
          altered += 1;
        };
        await expectFailure('STORE_STAGING_ALTERED', () => pullWatched(interfere));
        expect(altered).toBe(1);
        expect([existsSync(bed.path('bundle')), existsSync(layerPaths().layer)]).toEqual([false, false]);
        expect([mountsBelow(bed.path('bundle')), mountsBelow(bed.path('store'))]).toEqual([[], []]);

        await pull();
        expect(fetches()).toEqual([0, 2]);
        await expectRight();
        await expectAllGivenBack();
      },
    );

    it.runIf(form === 'erofs')('a symlink where a layer is to be mounted: nothing is mounted elsewhere', async () => {
      keepStore();
      mkdirSync(layerPaths().elsewhere);
      const mountPoint = bed.path(`store/state/layer-mounts/erofs-v1-diffid-${OWN_DIFF_ID}`);
      mkdirSync(dirname(mountPoint), { recursive: true });
      symlinkSync(layerPaths().elsewhere, mountPoint);
      await expectFailure('SNAPSHOT_MOUNT_FAILED', pull);
      expect(existsSync(bed.path('bundle'))).toBe(false);
      expect([mountsBelow(layerPaths().elsewhere), readdirSync(layerPaths().elsewhere)]).toEqual([[], []]);
    });
  });
});

function listTree(path: string): readonly string[] {
  if (!existsSync(path)) return [];
  try {
    return readdirSync(path, { recursive: true, encoding: 'utf8' }).sort();
  } catch {
    return ['a file'];
  }
}
