import { SealiftError } from '../errors/index.ts';

function isElsewhere(error: unknown): error is SealiftError {
  // A registry that does not answer may have the very image that was meant, and one that denies has the last word.
  return error instanceof SealiftError && (error.kind === 'missing' || error.kind === 'unauthorized');
}

/** Runs with the first of `names` that a registry has; each is a full name and judged as that. */
export async function firstName<T>(names: readonly string[], run: (name: string) => Promise<T>): Promise<T> {
  const failures: SealiftError[] = [];
  for (const name of names) {
    try {
      return await run(name);
    } catch (error) {
      if (!isElsewhere(error) || names.length === 1) throw error;
      failures.push(error);
    }
  }
  const [first] = failures;
  if (first === undefined) throw new SealiftError('INTERNAL', 'expected a name, got none');
  throw new SealiftError(first.code, `none of ${names.join(', ')} was found: ${first.message}`, {
    context: first.context,
    hint: first.hint,
    cause: new AggregateError(failures, 'every name failed'),
  });
}
