import fc from 'fast-check';
import { expect, it } from 'vitest';
import { DEFAULT_LIMITS } from '../../src/limits/index.ts';
import { readTar } from '../../src/unpack/index.ts';
import { compareForms, type Layer } from '../support/builders/layer-forms.ts';
import {
  block,
  char,
  dir,
  fifo,
  file,
  hardlink,
  opaque,
  symlink,
  type TarMember,
  tar,
  whiteout,
} from '../support/builders/tar-builder.ts';
import { describeWith } from '../support/machine/needs.ts';
import { Scratch } from '../support/machine/scratch.ts';
import { IS_SOAK } from '../support/soak.ts';

/** Names as bytes, a few of them often, so that entries collide; none is a dot, and none begins like a whiteout. */
const name = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom('a', 'b', 'lib', '!', '\xe4\xff', 'n'.repeat(200)) },
  {
    weight: 1,
    arbitrary: fc
      .array(
        fc.integer({ min: 1, max: 255 }).filter((byte) => byte !== 0x2f),
        { minLength: 1, maxLength: 40 },
      )
      .map((bytes) => Buffer.from(bytes).toString('latin1'))
      .filter((text) => text !== '.' && text !== '..' && !text.startsWith('.wh.')),
  },
);
const path = fc.array(name, { minLength: 1, maxLength: 4 }).map((names) => names.join('/'));
const target = fc.tuple(fc.constantFrom('', '', '/', '../', '../../'), path).map((parts) => parts.join(''));
const content = fc.oneof(
  fc.uint8Array({ maxLength: 64 }),
  fc.constantFrom(4095, 4096, 4097, 9000).map((size) => new Uint8Array(size).fill(size % 251)),
);

const attributes = fc.record({
  mode: fc.integer({ min: 0, max: 0o7777 }),
  uid: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 2 ** 32 - 2 })),
  gid: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 2 ** 32 - 2 })),
  mtime: fc.record({
    seconds: fc.integer({ min: -(2 ** 31) + 1, max: 2 ** 33 }),
    nanoseconds: fc.integer({ min: 0, max: 999_999_999 }),
  }),
  xattrs: fc.dictionary(
    fc.constantFrom('user.a', 'user.long.name', 'trusted.b', 'security.c', 'trusted.overlay.opaque', 'odd.name'),
    fc.uint8Array({ maxLength: 60 }),
    { maxKeys: 3 },
  ),
});

const member: fc.Arbitrary<TarMember> = fc.oneof(
  { weight: 6, arbitrary: fc.tuple(path, content, attributes).map((parts) => file(...parts)) },
  { weight: 5, arbitrary: fc.tuple(path, attributes).map((parts) => dir(...parts)) },
  { weight: 3, arbitrary: fc.tuple(path, target, attributes).map((parts) => symlink(...parts)) },
  { weight: 3, arbitrary: fc.tuple(path, path).map((parts) => hardlink(...parts)) },
  { weight: 1, arbitrary: fc.tuple(path, attributes).map((parts) => fifo(...parts)) },
  { weight: 1, arbitrary: fc.tuple(path, attributes).map(([at, rest]) => char(at, 5, 300, rest)) },
  { weight: 1, arbitrary: fc.tuple(path, attributes).map(([at, rest]) => block(at, 259, 1, rest)) },
  { weight: 2, arbitrary: path.map((at) => whiteout(at)) },
  { weight: 1, arbitrary: path.map((at) => opaque(at)) },
);

const layer = fc.array(member, { maxLength: 12 });
/** The first layer has entries with which those of the others can collide. */
const layers = fc
  .array(layer, { minLength: 1, maxLength: 3 })
  .map((stack) => [[dir('a'), dir('b'), file('b/a', 'below'), symlink('lib', 'b')], ...stack]);

const fromTar =
  (members: readonly TarMember[]): Layer =>
  (sink) => {
    const line = readTar(DEFAULT_LIMITS, sink);
    line.write(tar(members));
    line.end();
  };

describeWith(['root', 'fsck.erofs', 'getfattr'], 'erofs and directory forms', () => {
  it.each([
    { chained: true, how: 'on top of each other' },
    { chained: false, how: 'each by itself' },
  ])(
    'show the same tree, or refuse with the same code, for random layers applied $how',
    async ({ chained }) => {
      const seen = { trees: 0, refusals: 0 };
      await fc.assert(
        fc.asyncProperty(layers, async (stack) => {
          using scratch = new Scratch('forms');
          const { differences, refused } = await compareForms(scratch.path, stack.map(fromTar), { chained });
          expect(differences).toEqual([]);
          seen[refused === undefined ? 'trees' : 'refusals'] += 1;
        }),
        { numRuns: IS_SOAK ? 500 : 40, examples: [[[[file('plain')]]], [[[hardlink('link', 'absent')]]]] },
      );
      // By itself, a layer whose entries contradict each other is mostly left to the writer that sees those below.
      expect(chained ? Math.min(seen.trees, seen.refusals) : seen.trees).toBeGreaterThan(0);
    },
    300_000,
  );
});
