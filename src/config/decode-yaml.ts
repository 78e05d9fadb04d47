import type { Document, LineCounter, Node } from 'yaml';

/** The strict reader's word on a document that it refuses: a fragment of a sentence, with the line where there is one. */
export class YamlProblem extends Error {}

/** Deeper than any document that Sealift reads; the composer of the library is recursive. */
const MAX_DEPTH = 16;

/**
 * Decodes one YAML document into objects, arrays and scalars of the core schema. What a reader of the text may overlook
 * is refused: anchors, aliases, tags, merge keys, duplicate keys, keys that are no text, and further documents. The
 * library is loaded by the first call. Throws {@link YamlProblem}. https://yaml.org/spec/1.2.2/
 */
export async function decodeYaml(text: string): Promise<unknown> {
  const { Composer, isAlias, isMap, isScalar, isSeq, Lexer, LineCounter, Parser } = await import('./yaml-reader.ts');
  const lines = new LineCounter();
  const parser = new Parser(lines.addNewLine);
  const tokens = [];
  lines.addNewLine(0);
  for (const lexeme of new Lexer().lex(text)) {
    for (const token of parser.next(lexeme)) tokens.push(token);
    if (parser.stack.length > MAX_DEPTH) throw new YamlProblem(`expected at most ${MAX_DEPTH} levels, got more`);
  }
  tokens.push(...parser.end());
  const options = { version: '1.2', schema: 'core', merge: false, prettyErrors: false, stringKeys: true } as const;
  const [document, other] = new Composer(options).compose(tokens);
  if (document === undefined) return null;
  assertFaultless(document, lines);
  if (other !== undefined) throw new YamlProblem('expected one document, got several');

  const toValue = (node: Node | null | undefined): unknown => {
    if (node === null || node === undefined) return null;
    const line = lines.linePos(node.range?.[0] ?? 0).line;
    if (isAlias(node)) throw new YamlProblem(`line ${line}: aliases are not allowed`);
    if ((isMap(node) || isSeq(node) || isScalar(node)) && node.anchor !== undefined) {
      throw new YamlProblem(`line ${line}: anchors are not allowed`);
    }
    if (node.tag !== undefined) throw new YamlProblem(`line ${line}: tags are not allowed`);
    if (isSeq<Node>(node)) return node.items.map(toValue);
    if (isMap<Node, Node | null>(node)) {
      return Object.fromEntries(node.items.map(({ key, value }) => [toKey(key, line), toValue(value)]));
    }
    return isScalar(node) ? node.value : null;
  };
  const toKey = (key: Node, line: number): string => {
    const text = toValue(key);
    if (typeof text !== 'string') throw new YamlProblem(`line ${line}: expected keys that are texts`);
    if (text === '<<') throw new YamlProblem(`line ${line}: merge keys are not allowed`);
    return text;
  };
  return toValue(document.contents as Node | null);
}

function assertFaultless({ errors, warnings }: Document.Parsed, lines: LineCounter): void {
  const [first] = [...errors, ...warnings];
  if (first === undefined) return;
  throw new YamlProblem(`line ${lines.linePos(first.pos[0]).line}: ${first.message}`);
}
