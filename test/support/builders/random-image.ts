import fc from 'fast-check';
import {
  char,
  dir,
  fifo,
  file,
  hardlink,
  type MemberAttributes,
  opaque,
  symlink,
  type TarMember,
  whiteout,
} from './tar-builder.ts';

/** The layers of an image, bottom to top. */
export type ImageLayers = readonly (readonly TarMember[])[];

/**
 * Few names, so that entries replace each other, lie below each other and lead through each other's links, in the same
 * layer and across layers. Names of files seldom occur as parents, because most such images are refused.
 */
const folder = fc.constantFrom('a', 'b', 'c', 'lib');
const leaf = fc.constantFrom('f', 'g');
const parent = fc.oneof({ weight: 15, arbitrary: folder }, { weight: 1, arbitrary: leaf });
const parents = fc.oneof(
  { weight: 3, arbitrary: fc.constant<string[]>([]) },
  { weight: 4, arbitrary: fc.tuple(parent) },
  { weight: 2, arbitrary: fc.tuple(parent, parent) },
);

function pathTo(last: fc.Arbitrary<string>): fc.Arbitrary<string> {
  return fc.tuple(parents, last).map(([above, name]) => [...above, name].join('/'));
}

/** Sometimes written with dots, which are resolved as text. */
function written(path: fc.Arbitrary<string>): fc.Arbitrary<string> {
  return fc.oneof(
    { weight: 12, arbitrary: path },
    { weight: 1, arbitrary: path.map((at) => `./${at}`) },
    { weight: 1, arbitrary: fc.tuple(folder, path).map(([other, at]) => `${other}/../${at}`) },
  );
}

const anyName = fc.oneof({ weight: 2, arbitrary: folder }, { weight: 1, arbitrary: leaf });
const anyPath = written(pathTo(anyName));
const folderPath = written(pathTo(fc.oneof({ weight: 10, arbitrary: folder }, { weight: 1, arbitrary: leaf })));
const leafPath = written(pathTo(fc.oneof({ weight: 6, arbitrary: leaf }, { weight: 1, arbitrary: folder })));
/** Targets that go up, start at the root, or leave a directory again that may be a link itself. */
const target = fc.oneof(
  {
    weight: 6,
    arbitrary: fc
      .tuple(fc.constantFrom('', '', '/', '/', '../', '../../'), pathTo(folder))
      .map((parts) => parts.join('')),
  },
  {
    weight: 2,
    arbitrary: fc.tuple(pathTo(folder), fc.constantFrom('/../', '/../../'), folder).map((parts) => parts.join('')),
  },
  { weight: 1, arbitrary: fc.constantFrom('/', '.', '..') },
);

const attributes: fc.Arbitrary<MemberAttributes> = fc
  .record({
    mode: fc.constantFrom(0o755, 0o700, 0o1777, 0o2755, 0o644, 0o4711, 0),
    uid: fc.constantFrom(0, 0, 5),
    gid: fc.constantFrom(0, 7),
    seconds: fc.integer({ min: 1_600_000_000, max: 1_600_000_999 }),
    note: fc.constantFrom(undefined, undefined, undefined, '1', '2'),
  })
  .map(({ seconds, note, ...owner }) => {
    const xattrs = note === undefined ? {} : { xattrs: { 'trusted.note': note } };
    return { ...owner, ...xattrs, mtime: { seconds, nanoseconds: 0 } };
  });
const content = fc.nat({ max: 9 }).map(String);

const node: fc.Arbitrary<TarMember> = fc.oneof(
  {
    weight: 7,
    arbitrary: fc.tuple(leafPath, content, attributes).map(([at, text, owner]) => file(at, text, owner)),
  },
  { weight: 7, arbitrary: fc.tuple(folderPath, attributes).map(([at, owner]) => dir(at, owner)) },
  {
    weight: 4,
    arbitrary: fc
      .tuple(folderPath, target, attributes)
      .map(([at, to, { mtime = { seconds: 0 }, uid = 0 }]) => symlink(at, to, { mtime, uid })),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(leafPath, fc.oneof(leafPath, fc.constantFrom('b/f', 'lib/f')))
      .map(([at, to]) => hardlink(at, to)),
  },
  { weight: 1, arbitrary: fc.tuple(leafPath, attributes).map(([at, owner]) => fifo(at, owner)) },
  { weight: 1, arbitrary: fc.tuple(leafPath, attributes).map(([at, owner]) => char(at, 1, 3, owner)) },
);
const mark: fc.Arbitrary<TarMember> = fc.oneof(
  { weight: 3, arbitrary: anyPath.map((at) => whiteout(at)) },
  { weight: 1, arbitrary: fc.oneof(fc.constant(''), folderPath).map((at) => opaque(at)) },
);

const root = fc.oneof(
  { weight: 3, arbitrary: fc.constant<TarMember[]>([]) },
  { weight: 1, arbitrary: attributes.map((owner) => [dir('.', owner)]) },
);
const mtime = { seconds: 1_500_000_000, nanoseconds: 0 };
const SOIL = [
  dir('a', { mode: 0o750, uid: 5, mtime }),
  dir('b', { mtime }),
  file('b/f', 'below', { mtime }),
  symlink('lib', 'b', { mtime }),
];
const bottom = fc
  .tuple(root, fc.subarray(SOIL, { minLength: 2 }), fc.array(node, { maxLength: 3 }))
  .map((parts) => parts.flat());
const upper = fc
  .tuple(
    root,
    fc.array(fc.oneof({ weight: 5, arbitrary: node }, { weight: 2, arbitrary: mark }), { minLength: 1, maxLength: 6 }),
  )
  .map((parts) => parts.flat());

/** Images of two to five layers that meet in every way; sometimes one of them occurs again on top. */
export const randomImage: fc.Arbitrary<ImageLayers> = fc
  .tuple(
    bottom,
    fc.array(upper, { minLength: 1, maxLength: 3 }),
    fc.oneof({ weight: 9, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: fc.nat({ max: 2 }) }),
  )
  .map(([below, above, again]) => {
    const layers = [below, ...above];
    const repeated = again === undefined ? undefined : layers[again];
    return repeated === undefined ? layers : [...layers, repeated];
  });

/** The members as text, one line for each layer, for a message. */
export function describeImage(layers: ImageLayers): string[] {
  return layers.map((members, at) => `layer ${at}: ${members.map(describeMember).join(' | ')}`);
}

const TYPES: Readonly<Record<string, string>> = {
  0: 'file',
  1: 'hardlink',
  2: 'symlink',
  3: 'char',
  5: 'dir',
  6: 'fifo',
};

function describeMember({ type, name: at, linkname, mode }: TarMember): string {
  const shown = `${TYPES[type] ?? type} ${at}`;
  return linkname === undefined ? `${shown} ${(mode ?? 0).toString(8)}` : `${shown} -> ${linkname}`;
}
