import { describe, expect, it } from 'vitest';
import {
  LAYER_FORMATS,
  type LayerFormatName,
  type LayerImage,
  layerFileName,
  layerFormatOf,
  layerKeyOf,
} from '../../../src/layer-formats/index.ts';
import { imageKey, layerKey } from '../../support/stores/store-fixtures.ts';

const HASH_TREE = { rootHash: 'ab'.repeat(32), hashOffset: 8192 };

describe('a layer format', () => {
  it.each(Object.entries(LAYER_FORMATS))('%s is listed by its own name', (name, format) => {
    expect(format.name).toBe(name);
  });

  it.each([
    [layerKey(), layerKey()],
    [imageKey(), `${imageKey()}.erofs`],
  ])('of %s publishes %s, whose name leads back to the key', (key, fileName) => {
    expect(layerFileName(key)).toBe(fileName);
    expect(layerKeyOf(fileName)).toBe(key);
  });

  it.each(['', '.erofs', 'lost+found', imageKey(), `${layerKey()}.erofs`, `${imageKey()}.erofs.erofs`])(
    'publishes nothing called "%s"',
    (fileName) => {
      expect(layerKeyOf(fileName)).toBeUndefined();
    },
  );

  const LOWERS = { directories: ['/lower'], steps: { limit: 10, taken: 3 } };

  it.each<[LayerFormatName, object]>([
    ['directory', { kind: 'overlay', directory: '/staging', lowers: LOWERS }],
    ['erofs', { kind: 'image', path: '/staging/layer.erofs', lowers: LOWERS, verity: true }],
  ])('%s is written where its staged file is looked for', (name, target) => {
    expect(LAYER_FORMATS[name].target('/staging', { lowers: LOWERS, verity: true })).toEqual(target);
  });

  it('is read at its path unless it is an image', () => {
    const key = layerKey();
    expect(layerFormatOf(key).mount({ path: '/layers/x', record: { key } })).toBeUndefined();
  });

  it.each<[string, LayerImage | undefined, number | undefined]>([
    ['the whole file without a record of its length', undefined, undefined],
    ['the file without a tree', { bytes: 12_288 }, 12_288],
    ['the file up to its tree', { bytes: 12_288, verity: HASH_TREE }, 8192],
  ])('of an image mounts %s', (_, image, imageBytes) => {
    const key = imageKey();
    const layer = { path: '/layers/x.erofs', record: { key, ...(image === undefined ? {} : { image }) } };
    const tree = image?.verity;
    expect(layerFormatOf(key).mount(layer)).toEqual({ key, image: '/layers/x.erofs', imageBytes, tree });
  });
});
