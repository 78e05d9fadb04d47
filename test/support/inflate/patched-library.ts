import { readFileSync, writeFileSync } from 'node:fs';

/** https://refspecs.linuxfoundation.org/elf/gabi4+/ch4.sheader.html */
const SECTION_BYTES = 64;
const SYMBOL_BYTES = 24;
const DYNAMIC_SYMBOLS = 11;

interface Section {
  readonly type: number;
  readonly offset: number;
  readonly size: number;
  readonly link: number;
}

function readSections(file: Buffer): Section[] {
  const start = Number(file.readBigUInt64LE(0x28));
  return Array.from({ length: file.readUInt16LE(0x3c) }, (_, index) => {
    const header = file.subarray(start + index * SECTION_BYTES);
    return {
      type: header.readUInt32LE(4),
      offset: Number(header.readBigUInt64LE(24)),
      size: Number(header.readBigUInt64LE(32)),
      link: header.readUInt32LE(40),
    };
  });
}

/** Returns the offset and the size of a function's code, whose address is also its offset in a small library. */
export function locateFunction(file: Buffer, name: string): { readonly offset: number; readonly size: number } {
  const sections = readSections(file);
  const symbols = sections.find(({ type }) => type === DYNAMIC_SYMBOLS);
  const names = symbols && sections[symbols.link];
  if (symbols === undefined || names === undefined) throw new Error('no dynamic symbols');
  for (let at = symbols.offset; at < symbols.offset + symbols.size; at += SYMBOL_BYTES) {
    const nameAt = names.offset + file.readUInt32LE(at);
    if (file.toString('latin1', nameAt, file.indexOf(0, nameAt)) !== name) continue;
    return { offset: Number(file.readBigUInt64LE(at + 8)), size: Number(file.readBigUInt64LE(at + 16)) };
  }
  throw new Error(`no function ${name}`);
}

export interface Patch {
  readonly source: string;
  readonly target: string;
  readonly function: string;
  /** Changes the code of the function in place. */
  readonly change: (code: Buffer) => void;
}

/** Writes a copy of a library in which one function is another. */
export function patchLibrary({ source, target, function: name, change }: Patch): void {
  const file = readFileSync(source);
  const { offset, size } = locateFunction(file, name);
  change(file.subarray(offset, offset + size));
  writeFileSync(target, file);
}
