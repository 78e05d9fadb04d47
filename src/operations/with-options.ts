import type { CallOptions, Run } from './types.ts';

/** The same table, whose calls have these options unless they give others. */
export function withOptions<Table>(run: Run<Table>, defaults: CallOptions): Run<Table> {
  return (kind, request, options) => run(kind, request, { ...defaults, ...options });
}
