import { type ByteString, showByteString } from '../../bytes/index.ts';
import { SealiftError } from '../../errors/index.ts';
import type { LowerView } from '../types.ts';
import { joinPath, splitComponents } from './entry-path.ts';
import type { DirectoryNode } from './trie.ts';

/** One component of a resolved path: a directory of the tree, or one that must be created. */
export interface Step {
  readonly name: ByteString;
  readonly path: ByteString;
  /** Undefined when the directory must be created. */
  readonly node: DirectoryNode | undefined;
  /** True when no lower layer shows here: they have nothing at this path, or the layer being applied hides it. */
  readonly hidden: boolean;
}

export interface ResolveOptions {
  readonly root: DirectoryNode;
  readonly lower: LowerView | undefined;
  /** The largest number of directories that a path may lead through. */
  readonly maxDepth: number;
  /** A path that the entry being applied replaces: what lower layers have there is gone. */
  readonly replaced?: ByteString | undefined;
  /**
   * Is called for a path that the walk left again through `..` although only the layers below could say what is there:
   * without a view, a directory was assumed.
   */
  readonly onLeft?: ((path: ByteString) => void) | undefined;
}

/** The limit of github.com/cyphar/filepath-securejoin, with which umoci and runc resolve. */
const MAX_LINKS = 255;
/** Bounds the components walked for one path, dots included: 255 links of 2 000 components would be half a million. */
const STEPS_PER_DEPTH = 4;

/**
 * Walks to a directory inside the tree: links are followed with the layer's root as `/`, and `..` stops there. A missing
 * component is a directory that must be created. Returns the steps from the root; reads the tree and the view below, and
 * never a file system. Throws UNPACK_ENTRY_INVALID when a component is not a directory or the links do not end.
 */
export function resolveDirectory(components: readonly ByteString[], options: ResolveOptions): Step[] {
  const { root, maxDepth, onLeft } = options;
  const steps: Step[] = [{ name: '' as ByteString, path: '' as ByteString, node: root, hidden: false }];
  const pending = [...components].reverse();
  let links = 0;
  for (let walked = 0; pending.length > 0; walked += 1) {
    const here = steps.at(-1);
    if (here !== undefined && walked + pending.length > maxDepth * STEPS_PER_DEPTH) throw tooDeep(here, maxDepth);
    const name = pending.pop();
    if (name === undefined || here === undefined) break;
    if (name === '' || name === '.') continue;
    if (name === '..') {
      const left = steps.length > 1 ? steps.pop() : undefined;
      if (left !== undefined && left.node === undefined && !left.hidden) onLeft?.(left.path);
      continue;
    }
    if (steps.length > maxDepth) throw tooDeep(here, maxDepth);
    const found = lookup(here, name, options);
    if (found.kind === 'link') {
      links += 1;
      if (links > MAX_LINKS) throw tooManyLinks(here, name);
      if (found.target.startsWith('/')) steps.length = 1;
      for (const part of splitComponents(found.target).reverse()) pending.push(part);
    } else {
      steps.push(found.step);
    }
  }
  return steps;
}

type Found = { readonly kind: 'step'; readonly step: Step } | { readonly kind: 'link'; readonly target: ByteString };

function lookup(here: Step, name: ByteString, { lower, replaced }: ResolveOptions): Found {
  const path = joinPath(here.path, name);
  const hidden = path === replaced || hidesChild(here, name);
  const node = here.node?.children.get(name);
  if (node === undefined) return lookupBelow({ name, path, node: undefined, hidden }, lower);
  if (node.kind === 'directory') return { kind: 'step', step: { name, path, node, hidden } };
  if (node.kind === 'symlink') return { kind: 'link', target: node.target };
  throw noDirectory(path);
}

function lookupBelow(step: Step, lower: LowerView | undefined): Found {
  if (lower === undefined) return { kind: 'step', step };
  const below = step.hidden ? undefined : lower.lookup(step.path);
  // Where the lower layers have nothing, they have nothing further down either, so later steps need no look-up.
  if (below === undefined) return { kind: 'step', step: { ...step, hidden: true } };
  if (below.type === 'directory') return { kind: 'step', step };
  if (below.type === 'symlink' && below.target !== undefined) return { kind: 'link', target: below.target };
  throw noDirectory(step.path);
}

/** True if the entries read so far of the layer being applied hide what the layers below have under `name`. */
export function hidesChild(here: Pick<Step, 'node' | 'hidden'>, name: ByteString): boolean {
  const { node, hidden } = here;
  return hidden || (node !== undefined && (node.opaque || node.whiteouts?.has(name) === true));
}

function noDirectory(path: ByteString): SealiftError {
  const shown = showByteString(path);
  return new SealiftError('UNPACK_ENTRY_INVALID', `expected parent ${shown} to be a directory, got something else`, {
    context: { parent: shown },
  });
}

function tooManyLinks(here: Step, name: ByteString): SealiftError {
  const shown = showByteString(joinPath(here.path, name));
  return new SealiftError(
    'UNPACK_ENTRY_INVALID',
    `expected a path through at most ${MAX_LINKS} symlinks, got more at ${shown}`,
    {
      context: { limit: MAX_LINKS },
    },
  );
}

function tooDeep(here: Step, maxDepth: number): SealiftError {
  const shown = showByteString(here.path).slice(0, 80);
  return new SealiftError(
    'UNPACK_ENTRY_INVALID',
    `expected a path through at most ${maxDepth} directories, got more below ${shown}`,
    {
      context: { limit: maxDepth },
    },
  );
}
