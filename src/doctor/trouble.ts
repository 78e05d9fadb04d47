import { SealiftError } from '../errors/index.ts';

/** Something that is wrong, and what to do about it. */
export interface Trouble {
  readonly message: string;
  readonly hint: string;
}

export type Tried<T> = { readonly value: T } | { readonly trouble: Trouble };

/** Returns what an action returns, or what is wrong: to the doctor a broken file or name is a finding, not a failure. */
export async function tryTo<T>(action: () => T | Promise<T>): Promise<Tried<T>> {
  try {
    return { value: await action() };
  } catch (error) {
    if (!(error instanceof SealiftError)) throw error;
    const { message, hint } = error;
    return { trouble: { message, hint } };
  }
}
