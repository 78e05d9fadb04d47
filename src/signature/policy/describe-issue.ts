import type * as z from 'zod';

/** Says what a member of a requirement has to be and what it is; undefined leaves the text to the schema. */
export function describeIssue(issue: z.core.$ZodRawIssue): string | undefined {
  switch (issue.code) {
    case 'invalid_type':
      return `expected ${nameType(issue.expected)}, got ${nameValue(issue.input)}`;
    case 'invalid_value':
      return `expected ${list(issue.values)}, got ${nameValue(issue.input)}`;
    case 'invalid_union': {
      const { discriminator, options, input } = issue;
      if (typeof discriminator !== 'string' || !Array.isArray(options)) return undefined;
      return `expected ${list(options)}, got ${nameValue(memberOf(input, discriminator))}`;
    }
    case 'unrecognized_keys':
      return `unknown key ${issue.keys.map((key) => JSON.stringify(key)).join(', ')}`;
    default:
      return undefined;
  }
}

function list(values: readonly unknown[]): string {
  const quoted = values.map((value) => JSON.stringify(value)).join(', ');
  return values.length === 1 ? quoted : `one of ${quoted}`;
}

function memberOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
}

function nameType(type: string): string {
  return /^[aeiou]/.test(type) ? `an ${type}` : `a ${type}`;
}

const MAX_SHOWN = 60;

/** A short text is shown as it is, so that a misspelt one is recognised. */
function nameValue(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'null';
  if (typeof value === 'string') return value.length <= MAX_SHOWN ? JSON.stringify(value) : 'a longer text';
  if (Array.isArray(value)) return 'an array';
  return typeof value === 'object' ? 'an object' : String(value);
}
