import { describe, expect, it } from 'vitest';
import { chooseEntry, chooseItem } from '../../../src/archive/choose-image.ts';
import { hashBytes, type ImageSelector, type IndexEntry } from '../../../src/oci/index.ts';
import { expectFailure } from '../../support/matchers.ts';

const ONLY: ImageSelector = { kind: 'only' };
const named = (name: string): ImageSelector => ({ kind: 'name', name });
const at = (position: number): ImageSelector => ({ kind: 'position', position });

function entry(content: string, name?: string): IndexEntry {
  return {
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    digest: hashBytes(content),
    size: content.length,
    annotations: name === undefined ? {} : { 'org.opencontainers.image.ref.name': name },
    platform: undefined,
    artifactType: undefined,
  };
}

describe('chooseEntry', () => {
  const [one, two, nameless] = [entry('one', '1'), entry('two', '2'), entry('three')];

  it('takes the only one, whatever it is called', () => {
    expect(chooseEntry([two], ONLY)).toBe(two);
  });

  it('takes the one of that name, and the one at that place', () => {
    expect(chooseEntry([one, two, nameless], named('2'))).toEqual(two);
    expect(chooseEntry([one, two, nameless], at(2))).toBe(nameless);
  });

  it('takes one that is listed twice under one name', () => {
    expect(chooseEntry([one, one], named('1')).digest).toBe(one.digest);
  });

  it.each([
    ['several and no name', [one, two], ONLY, 'ARCHIVE_IMAGE_AMBIGUOUS'],
    ['two of one name', [one, entry('other', '1')], named('1'), 'ARCHIVE_IMAGE_AMBIGUOUS'],
    ['none of that name', [one, two], named('3'), 'ARCHIVE_IMAGE_UNKNOWN'],
    ['none at that place', [one, two], at(2), 'ARCHIVE_IMAGE_UNKNOWN'],
    ['none at all', [], ONLY, 'ARCHIVE_IMAGE_UNKNOWN'],
  ] as const)('refuses %s', async (_, entries, selector, code) => {
    await expectFailure(code, () => chooseEntry(entries, selector));
  });

  it('lists what there is', async () => {
    const error = await expectFailure('ARCHIVE_IMAGE_AMBIGUOUS', () => chooseEntry([one, two, nameless], ONLY));
    expect(error.message).toContain('1, 2, @2');
  });
});

describe('chooseItem', () => {
  const item = (...tags: string[]) => ({ Config: 'c', RepoTags: tags, Layers: [] });
  const [app, twice] = [item('example.org/app:1'), item('busybox:1', 'busybox:latest')];

  it('compares names in full', () => {
    expect(chooseItem([app, twice], named('docker.io/library/busybox:latest'))).toBe(twice);
    expect(chooseItem([app, twice], named('example.org/app:1'))).toBe(app);
  });

  it('refuses two images of one name', async () => {
    const items = [app, item('example.org/app:1')];
    await expectFailure('ARCHIVE_IMAGE_AMBIGUOUS', () => chooseItem(items, named('example.org/app:1')));
  });

  it('refuses an archive whose names are none', async () => {
    await expectFailure('ARCHIVE_INVALID', () => chooseItem([item('UPPER:1')], named('example.org/app:1')));
  });
});
