import { createHash } from 'node:crypto';
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { ErrorCode } from '../../../src/errors/index.ts';
import { umount } from '../../../src/platform/index.ts';
import { PLATFORM, PullBed, type ServedDocument, type ServedImage } from '../../support/beds/pull-bed.ts';
import { composeTestCli } from '../../support/beds/test-cli.ts';
import { pseudoRandom } from '../../support/builders/small-image.ts';
import { dir, file, tar } from '../../support/builders/tar-builder.ts';
import { alterFile, FILE_ALTERATIONS, type FileAlteration } from '../../support/machine/alter-file.ts';
import { mountsBelow, unmountBelow } from '../../support/machine/mounts.ts';
import { describeWith } from '../../support/machine/needs.ts';
import { expectFailure } from '../../support/matchers.ts';
import { compareTrees, readTree, type Tree } from '../../support/oracles/tree.ts';
import { IS_SOAK } from '../../support/soak.ts';
import { emptyContents, halvesOf, listContents } from '../../support/stores/store-contents.ts';

const PARTS = 4;
const SETTINGS = { 'store.layer_format': 'erofs' } as const;
const SHARED = [dir('./'), dir('etc'), file('etc/shared', pseudoRandom(50_000, 'shared'))];
const own = (name: string) => [file('own', pseudoRandom(40_000, name))];

/** The documents that the state directory keeps, one file each. */
const DOCUMENTS = ['index', 'manifest', 'config', 'layer record', 'image record', 'name', 'store.json'] as const;
type DocumentKind = (typeof DOCUMENTS)[number];

/** How a pull of a digest ends when all its bytes were in the store before one file was altered. */
type Outcome =
  /** The pull succeeds, and has asked for these documents or layers and for nothing else. */
  { readonly asks: readonly string[] } | { readonly refused: ErrorCode };

const UNHARMED: Outcome = { asks: [] };

/** What the pull asks for again when the document was altered. */
const ASKED_AGAIN: Readonly<Record<Exclude<DocumentKind, 'store.json'>, readonly string[]>> = {
  index: ['index'],
  manifest: ['manifest'],
  config: ['config'],
  'layer record': ['own layer'],
  // Every pull writes it; only commands that list and remove read it.
  'image record': [],
  name: [],
};

function outcomeOf(document: DocumentKind, alteration: FileAlteration): Outcome {
  // A process that may read everything reads it; the permissions of the directory keep others out.
  if (alteration === 'no permissions') return UNHARMED;
  if (document !== 'store.json') return { asks: ASKED_AGAIN[document] };
  // It then reads as the record of another boot, which does no harm: a store on a disk keeps its layers over a boot.
  if (alteration === 'flipped bit' || alteration === 'other document') return UNHARMED;
  return { refused: 'STORE_INVALID' };
}

/** The tests of the store cover every pair; here the short run takes a part of them. */
function isTried(at: number, alterationAt: number): boolean {
  return IS_SOAK || (at + alterationAt) % PARTS === 0;
}

const ROWS = DOCUMENTS.flatMap((document, at) =>
  FILE_ALTERATIONS.filter((_, alterationAt) => isTried(at, alterationAt)).map((alteration) => ({
    ...{ document, alteration, outcome: outcomeOf(document, alteration) },
    words: describeOutcome(outcomeOf(document, alteration)),
  })),
);

function describeOutcome(outcome: Outcome): string {
  if ('refused' in outcome) return `refused with ${outcome.refused}`;
  return outcome.asks.length === 0 ? 'right without a request' : `fetched again: ${outcome.asks.join(', ')}`;
}

interface IndexedImage {
  readonly image: ServedImage;
  readonly index: ServedDocument;
  /** The diffID of the topmost layer. */
  readonly ownDiffId: string;
}

describeWith(['root', 'getfattr'], 'a store with a file that is not what it was', () => {
  let bed: PullBed;
  let wanted: IndexedImage;
  let other: IndexedImage;
  let reference: Tree;
  const commands = composeTestCli();
  const io = { signal: new AbortController().signal, onProgress: () => {} };
  const options = () => ({
    settings: { 'store.root': bed.path('store') },
    configFile: undefined,
    debug: false,
    ofDaemon: false,
  });

  beforeAll(async () => {
    bed = await PullBed.open();
    wanted = serve('wanted');
    other = serve('other');
    await pull(wanted, 'first');
    reference = await readTree(bed.path('first/rootfs'));
    await bed.umount(bed.path('first'));
    await bed.pull('other', { kind: 'store' }, { settings: SETTINGS });
    cpSync(bed.path('store'), bed.path('template'), { recursive: true });
  });

  afterAll(async () => {
    await unmountBelow(bed.directory);
    await bed.close();
  });

  beforeEach(() => {
    rmSync(bed.path('store'), { recursive: true, force: true });
    cpSync(bed.path('template'), bed.path('store'), { recursive: true });
    bed.registry.requests.length = 0;
  });

  afterEach(async () => {
    await unmountBelow(bed.path('bundle'));
    await unmountBelow(bed.path('store'));
    for (const name of ['bundle', 'elsewhere']) rmSync(bed.path(name), { recursive: true, force: true });
  });

  function serve(name: string): IndexedImage {
    const layers = [SHARED, own(name)];
    const image = bed.serveImage(layers, { config: { author: name } });
    const index = bed.serveIndex([{ ...image, layers: undefined, platform: PLATFORM }], name);
    return { image, index, ownDiffId: sha256(tar(own(name))) };
  }

  const pull = ({ index }: IndexedImage, bundle: string) =>
    bed.pull(index.digest, { kind: 'bundle', directory: bed.path(bundle) }, { settings: SETTINGS });

  const prune = () => commands.prune({ ...options(), all: true }, io);

  /** Returns the path of a document in the state directory. */
  function pathOf(document: DocumentKind, { image, index, ownDiffId }: IndexedImage): string {
    const state = bed.path('store/state');
    const hex = (digest: string) => digest.slice('sha256:'.length);
    const paths: Readonly<Record<DocumentKind, () => string>> = {
      index: () => `manifests/sha256/${hex(index.digest)}`,
      manifest: () => `manifests/sha256/${hex(image.digest)}`,
      config: () => `configs/sha256/${hex(configOf(image))}`,
      'layer record': () => `layers/erofs-v1-diffid-${hex(ownDiffId)}.json`,
      'image record': () => `images/${image.digest}.json`,
      name: () => `names/${nameFileOf(index)}`,
      'store.json': () => 'store.json',
    };
    return `${state}/${paths[document]()}`;
  }

  function configOf({ digest }: ServedImage): string {
    const manifest = readFileSync(bed.path(`template/state/manifests/sha256/${digest.slice('sha256:'.length)}`));
    return JSON.parse(manifest.toString()).config.digest;
  }

  /** The image that was pulled by its tag has the tag's name as well. */
  function nameFileOf({ digest }: ServedDocument): string {
    const names = bed.path('template/state/names');
    const isOfIndex = (name: string) => {
      const record = readFileSync(`${names}/${name}`).toString();
      return record.includes(digest) && (digest !== other.index.digest || record.includes(':other'));
    };
    const found = readdirSync(names).find(isOfIndex);
    if (found === undefined) throw new Error(`no name leads to ${digest}`);
    return found;
  }

  /** Returns another valid document of the same kind. */
  function otherOf(document: DocumentKind): string {
    if (document !== 'store.json') return pathOf(document, other);
    const path = bed.path('other-store.json');
    writeFileSync(path, JSON.stringify({ format: 1, bootId: '11111111-2222-3333-4444-555555555555' }));
    return path;
  }

  /** Returns in words what the registry was asked for. */
  function asked(): readonly string[] {
    const { image, index } = wanted;
    const words: readonly (readonly [string, string])[] = [
      [index.digest, 'index'],
      [image.digest, 'manifest'],
      [configOf(image), 'config'],
      [image.layers[0] ?? '', 'shared layer'],
      [image.layers[1] ?? '', 'own layer'],
    ];
    return bed.registry.requests
      .filter(({ url }) => url !== '/v2/')
      .map(({ url }) => words.find(([digest]) => url.endsWith(digest))?.[1] ?? url);
  }

  async function expectRight(bundle: string): Promise<void> {
    expect(mountsBelow(bed.path(bundle))).toEqual([bed.path(`${bundle}/rootfs`)]);
    expect(compareTrees(await readTree(bed.path(`${bundle}/rootfs`)), reference)).toEqual([]);
  }

  /** Removes bundles as an agent does after their containers have ended. */
  function remove(...bundles: readonly string[]): void {
    for (const bundle of bundles) {
      umount(bed.path(`${bundle}/rootfs`));
      rmSync(bed.path(bundle), { recursive: true });
    }
  }

  async function expectAllGivenBack(bundle: string): Promise<void> {
    remove(bundle);
    await prune();
    expect(listContents(halvesOf(bed.path('store')))).toEqual(emptyContents('erofs'));
    expect(mountsBelow(bed.path('store'))).toEqual([]);
  }

  it('is not there: a whole store makes a right rootfs without a request', async () => {
    await pull(wanted, 'bundle');
    expect(asked()).toEqual([]);
    await expectRight('bundle');
    await expectAllGivenBack('bundle');
  });

  it.each(ROWS)('$document, $alteration: $words', async ({ document, alteration, outcome }) => {
    const path = pathOf(document, wanted);
    const elsewhere = bed.path('elsewhere');
    const original = readFileSync(path);
    alterFile(path, alteration, { other: otherOf(document), elsewhere });

    if ('refused' in outcome) {
      await expectFailure(outcome.refused, () => pull(wanted, 'bundle'));
      expect([existsSync(bed.path('bundle')), asked()]).toEqual([false, []]);
      rmSync(path, { recursive: true, force: true });
      writeFileSync(path, original);
    }
    await pull(wanted, 'bundle');
    expect(asked()).toEqual('refused' in outcome ? [] : outcome.asks);
    await expectRight('bundle');
    await expectAllGivenBack('bundle');
    // Nothing has written, or removed, through the link.
    if (alteration === 'symlink') expect(readFileSync(elsewhere).equals(original)).toBe(true);
  });

  describe('is listed and removed without it', () => {
    const alterations = (part: number) =>
      FILE_ALTERATIONS.filter((each, at) => each !== 'no permissions' && isTried(part, at));
    const listed = async () => {
      const { images } = await commands.images(options(), io);
      return images.map(({ manifestDigest, names }) => [manifestDigest, names.length]);
    };

    it('is not there: both images are listed, each with its name', async () => {
      const both = [other.image, wanted.image].map(({ digest }) => [digest, 1]);
      expect((await listed()).toSorted()).toEqual(both.toSorted());
    });

    it.each(alterations(0))('name, %s: the image has none any more, and prune takes both', async (alteration) => {
      alterFile(pathOf('name', wanted), alteration, { other: otherOf('name'), elsewhere: bed.path('elsewhere') });
      expect(await listed()).toContainEqual([wanted.image.digest, 0]);
      expect((await commands.prune({ ...options(), all: false }, io)).images).toEqual([wanted.image.digest]);
      expect(readdirSync(bed.path('store/state/names'))).toHaveLength(1);
    });

    it.each(alterations(1))('image record, %s: the image is unknown, and prune takes its parts', async (alteration) => {
      const path = pathOf('image record', wanted);
      alterFile(path, alteration, { other: otherOf('image record'), elsewhere: bed.path('elsewhere') });
      expect((await listed()).map(([digest]) => digest)).toEqual([other.image.digest]);
      const { layers } = await commands.prune({ ...options(), all: false }, io);
      expect(layers.map((key) => key.split('-')[3])).toEqual([wanted.ownDiffId.slice('sha256:'.length)]);
      expect(readdirSync(bed.path('store/state/images'))).toEqual([`${other.image.digest}.json`]);
      expect(readdirSync(bed.path('store/state/names'))).toHaveLength(1);
    });
  });

  describe('the record of a mount', () => {
    const mountFiles = () =>
      readdirSync(bed.path('store/state/mounts')).map((name) => bed.path(`store/state/mounts/${name}`));

    /** Runs two containers and returns the record of the first; the second has the other image. */
    async function run(): Promise<{ readonly record: string; readonly other: string }> {
      await pull(wanted, 'bundle');
      const [record = ''] = mountFiles();
      await pull(other, 'bundle-of-other');
      const [another = ''] = mountFiles().filter((path) => path !== record);
      return { record, other: another };
    }

    afterEach(() => {
      for (const bundle of ['bundle', 'bundle-of-other', 'bundle-2']) {
        if (mountsBelow(bed.path(bundle)).length > 0) remove(bundle);
      }
    });

    it('is not altered: prune leaves what the containers use', async () => {
      await run();
      expect(await prune()).toMatchObject({ images: [], layers: [] });
      await expectRight('bundle');
      remove('bundle', 'bundle-of-other');
      expect((await prune()).images).toHaveLength(2);
    });

    const ALTERATIONS = FILE_ALTERATIONS.filter(
      (each, at) => each !== 'no permissions' && each !== 'gone' && isTried(0, at),
    );

    it.each(ALTERATIONS)('%s: nothing is removed while its container runs, and pulls go on', async (alteration) => {
      const { record, other: another } = await run();
      alterFile(record, alteration, { other: another, elsewhere: bed.path('elsewhere') });
      await expectFailure('STORE_RECORD_CORRUPT', prune);
      await expectFailure('STORE_RECORD_CORRUPT', () => commands.images(options(), io));
      await expectRight('bundle');
      await pull(wanted, 'bundle-2');
      await expectRight('bundle-2');
      await expectRight('bundle');

      remove('bundle', 'bundle-2', 'bundle-of-other');
      await prune();
      expect(listContents(halvesOf(bed.path('store')))).toEqual(emptyContents('erofs'));
    });

    it('gone: the container keeps what it has written, and its layers keep their names', async () => {
      const { record } = await run();
      writeFileSync(bed.path('bundle/rootfs/written'), 'by the container');
      rmSync(record);
      const id = basename(record, '.json');
      await pull(wanted, 'bundle-2');
      expect(readdirSync(bed.path('store/data/uppers'))).toContain(id);
      expect(readFileSync(bed.path('bundle/rootfs/written')).toString()).toBe('by the container');
      remove('bundle', 'bundle-2', 'bundle-of-other');
      await prune();
      expect(listContents(halvesOf(bed.path('store')))).toEqual(emptyContents('erofs'));
    });
  });

  it('store.json of another boot: what is mounted stays, with its record', async () => {
    await pull(wanted, 'bundle');
    const mounts = readdirSync(bed.path('store/state/mounts'));
    writeFileSync(bed.path('bundle/rootfs/written'), 'by the container');
    alterFile(pathOf('store.json', wanted), 'other document', { other: otherOf('store.json'), elsewhere: '' });
    await prune();
    expect(readdirSync(bed.path('store/state/mounts'))).toEqual(mounts);
    expect(readFileSync(bed.path('bundle/rootfs/written')).toString()).toBe('by the container');
    await expectAllGivenBack('bundle');
  });

  function sha256(bytes: Uint8Array): string {
    return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
  }
});
