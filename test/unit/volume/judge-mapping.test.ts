import { describe, expect, it } from 'vitest';
import { judgeMapping, type LiveTables } from '../../../src/volume/judge-mapping.ts';
import type { ExpectedMapping } from '../../../src/volume/types.ts';

const EXPECTED: ExpectedMapping = {
  name: 'store',
  device: { deviceId: '254:0', diskseq: '9' },
  sectors: 129_248,
  cipher: 'capi:authenc(hmac(sha256),xts(aes))-plain64',
  keyBytes: 96,
  tagBytes: 32,
  journalSectors: 792,
  interleaveSectors: 32_768,
};

const KEY = ':96:logon:cryptsetup:c459a894-1a63-4edb-b77d-f4ffc00b856c-d0';
const CRYPT = `capi:authenc(hmac(sha256),xts(aes))-plain64 ${KEY} 0 253:0 0 2 integrity:32:aead sector_size:4096`;
const INTEGRITY =
  '254:0 0 32 D 5 block_size:4096 journal_sectors:792 interleave_sectors:32768 buffer_sectors:128 fix_padding';

interface Changes {
  readonly crypt?: string;
  readonly integrity?: string;
  readonly cryptSectors?: number;
  readonly integritySectors?: number;
  readonly startSector?: number;
  readonly cryptType?: string;
  readonly integrityType?: string;
}

function tables(changes: Changes = {}): LiveTables {
  const { startSector = 0, cryptType = 'crypt', integrityType = 'integrity' } = changes;
  const { cryptSectors = 129_248, integritySectors = 129_248 } = changes;
  return {
    integrityDeviceId: '253:0',
    crypt: [{ startSector, sectors: cryptSectors, type: cryptType, parameters: changes.crypt ?? CRYPT }],
    integrity: [
      { startSector, sectors: integritySectors, type: integrityType, parameters: changes.integrity ?? INTEGRITY },
    ],
  };
}

describe('judgeMapping', () => {
  it('finds no difference in the expected tables', () => {
    expect(judgeMapping(EXPECTED, tables())).toBeUndefined();
  });

  it.each([
    { what: 'a key that is not in the keyring', crypt: CRYPT.replace(KEY, '#96') },
    {
      what: 'the default key size of the MAC, written out',
      crypt: CRYPT.replace(' 2 integrity', ' 3 integrity_key_size:32 integrity'),
    },
    {
      what: 'options in another order',
      crypt: CRYPT.replace('integrity:32:aead sector_size:4096', 'sector_size:4096 integrity:32:aead'),
    },
  ])('finds no difference in $what', (changes) => {
    expect(judgeMapping(EXPECTED, tables(changes))).toBeUndefined();
  });

  it.each([
    { what: 'a null cipher', crypt: CRYPT.replace(/^\S+/, 'cipher_null-ecb') },
    { what: 'a cipher without a MAC', crypt: CRYPT.replace(/^\S+/, 'aes-xts-plain64') },
    { what: 'a null cipher with a MAC', crypt: CRYPT.replace('xts(aes)', 'ecb(cipher_null)') },
    { what: 'a shorter key', crypt: CRYPT.replace(':96:', ':64:') },
    { what: 'a shorter key that is shown', crypt: CRYPT.replace(KEY, '#64') },
    { what: 'no key', crypt: CRYPT.replace(KEY, '-') },
    { what: 'another first IV', crypt: CRYPT.replace(' 0 253:0', ' 8 253:0') },
    { what: 'another device below', crypt: CRYPT.replace('253:0', '254:0') },
    { what: 'an offset', crypt: CRYPT.replace('253:0 0', '253:0 8') },
    { what: 'a shorter tag', crypt: CRYPT.replace('integrity:32', 'integrity:16') },
    { what: 'no integrity', crypt: CRYPT.replace('2 integrity:32:aead', '1') },
    { what: 'smaller sectors', crypt: CRYPT.replace(' 2 integrity:32:aead sector_size:4096', ' 1 integrity:32:aead') },
    { what: 'discards', crypt: CRYPT.replace(' 2 ', ' 3 allow_discards ') },
    { what: 'a wrong count of options', crypt: CRYPT.replace(' 2 ', ' 3 ') },
    { what: 'a MAC key of another size', crypt: CRYPT.replace(' 2 integrity', ' 3 integrity_key_size:16 integrity') },
    { what: 'fewer sectors', cryptSectors: 129_240 },
    { what: 'a first sector', startSector: 8 },
    { what: 'another target', cryptType: 'linear' },
    { what: 'another target below', integrityType: 'linear' },
    { what: 'fewer sectors below', integritySectors: 129_240 },
    { what: 'another disk', integrity: INTEGRITY.replace('254:0', '254:16') },
    { what: 'an offset on the disk', integrity: INTEGRITY.replace('254:0 0', '254:0 8') },
    { what: 'another tag size below', integrity: INTEGRITY.replace(' 32 D', ' 4 D') },
    { what: 'a journal', integrity: INTEGRITY.replace(' D ', ' J ') },
    { what: 'a bitmap', integrity: INTEGRITY.replace(' D ', ' B ') },
    { what: 'recovery mode', integrity: INTEGRITY.replace(' D ', ' R ') },
    {
      what: 'another length of the journal',
      integrity: INTEGRITY.replace('journal_sectors:792', 'journal_sectors:528'),
    },
    { what: 'another interleaving', integrity: INTEGRITY.replace(':32768', ':16384') },
    { what: 'other blocks', integrity: INTEGRITY.replace(' 5 block_size:4096', ' 4') },
    { what: 'recalculation', integrity: INTEGRITY.replace(' 5 ', ' 6 recalculate ') },
    { what: 'a checksum of its own', integrity: INTEGRITY.replace(' 5 ', ' 6 internal_hash:crc32c ') },
    { what: 'the old padding', integrity: INTEGRITY.replace(' 5 ', ' 4 ').replace(' fix_padding', '') },
    { what: 'no parameters', crypt: '', integrity: '' },
  ])('finds $what', (changes) => {
    expect(judgeMapping(EXPECTED, tables(changes))).toMatch(/: expected .*, got /);
  });

  it('finds a missing and a second target', () => {
    const [target] = tables().crypt;
    if (target === undefined) throw new Error('there is one');
    expect(judgeMapping(EXPECTED, { ...tables(), crypt: [] })).toBe('targets of crypt: expected 1, got 0');
    expect(judgeMapping(EXPECTED, { ...tables(), integrity: [target, target] })).toContain('expected 1, got 2');
  });
});
