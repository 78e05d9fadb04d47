import type { Cases } from './corpus/cases.ts';
import { FRAMING_CASES } from './corpus/framing.ts';
import { HEADER_FIELD_CASES } from './corpus/header-fields.ts';
import { PAX_CASES } from './corpus/pax.ts';

/** Odd archives, the same bytes in every run; testdata/tar/go-verdicts.json says what Go's archive/tar makes of each. */
export const CORPUS: Readonly<Cases> = { ...HEADER_FIELD_CASES, ...PAX_CASES, ...FRAMING_CASES };
