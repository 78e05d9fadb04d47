export { readFacts, saveFacts } from './path-facts-file.ts';
export { summarizeFacts } from './summarize-facts.ts';
export type { LayerSummary, PathFacts, PathFactsFile } from './types.ts';
