export type {
  EntrySink,
  EntryType,
  ImpliedDirectory,
  LayerFacts,
  LowerNode,
  LowerView,
  TarEntry,
  Timestamp,
  UnresolvedLink,
} from './types.ts';
