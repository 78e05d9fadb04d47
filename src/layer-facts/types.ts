import type { LayerFacts, UnresolvedLink } from '../unpack/index.ts';

/** The facts that are lists of paths. There may be hundreds of thousands, so they stay in a file until a plan needs them. */
export type PathFacts = Pick<LayerFacts, 'implied' | 'traversed' | 'marked'>;

/** The part of a file that holds the path facts of one layer. It begins with the file. */
export interface PathFactsExtent {
  readonly bytes: number;
  /** 64 hex digits: the hash of these bytes. */
  readonly sha256: string;
  /** What the paths count in budgets: about the bytes of memory that reading them takes. */
  readonly weight: number;
}

/** Where the path facts of a layer lie. */
export interface PathFactsFile extends PathFactsExtent {
  /** Absolute, in state: the disk of the layers must not be able to change facts. */
  readonly path: string;
}

/** What the main thread knows of a layer that was applied. Small, whatever the layer is like. */
export interface LayerSummary extends Pick<LayerFacts, 'entries' | 'contentBytes' | 'dropped'> {
  /** True if nothing in the layer depends on the layers below. */
  readonly isPlain: boolean;
  /** A hard link whose target the layer does not contain. */
  readonly unresolvedLink?: UnresolvedLink;
  /** Absent when no path facts were kept: of a layer in a merged tree, and of one that only its chain makes usable. */
  readonly paths?: PathFactsExtent;
}
