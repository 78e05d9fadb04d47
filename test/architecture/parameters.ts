const KEYWORDS = ['if', 'for', 'while', 'switch', 'catch', 'function', 'await', 'return', 'typeof', 'with'];
const OPENING = '([{';
const CLOSING = ')]}';

/** A function with the number of its parameters; `name` is empty for a function without one. */
export interface FunctionShape {
  readonly name: string;
  readonly parameters: number;
}

/** The functions, methods and arrow functions with a parameter list in a text without types and comments. */
export function functionShapes(code: string): FunctionShape[] {
  const shapes: FunctionShape[] = [];
  for (const { index } of code.matchAll(/\(/g)) {
    const end = closingOf(code, index);
    if (end === undefined) continue;
    const isArrow = /^\s*=>/.test(code.slice(end + 1, end + 200));
    const isBody = /^\s*\{/.test(code.slice(end + 1, end + 200));
    const before = code.slice(Math.max(0, index - 80), index);
    const name = /([#\w$]+)\s*$/.exec(before)?.[1] ?? '';
    if (!isArrow && (!isBody || name === '' || KEYWORDS.includes(name))) continue;
    const assigned = /(?:const|let)\s+(\w+)\s*=\s*(?:async\s*)?$/.exec(before)?.[1] ?? '';
    shapes.push({ name: isArrow ? assigned : name, parameters: countParameters(code.slice(index + 1, end)) });
  }
  return shapes;
}

function closingOf(code: string, start: number): number | undefined {
  let depth = 0;
  for (let at = start; at < code.length; at += 1) {
    if (OPENING.includes(code.charAt(at))) depth += 1;
    if (CLOSING.includes(code.charAt(at))) depth -= 1;
    if (depth === 0) return at;
  }
  return undefined;
}

function countParameters(list: string): number {
  let depth = 0;
  const parts = [''];
  for (const character of list) {
    if (OPENING.includes(character)) depth += 1;
    if (CLOSING.includes(character)) depth -= 1;
    if (character === ',' && depth === 0) parts.push('');
    else parts.push(`${parts.pop() ?? ''}${character}`);
  }
  return parts.filter((part) => part.trim() !== '').length;
}
