import { linkSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { DEFAULT_LIMITS, PlanMemory, PlanSteps } from '../../../src/limits/index.ts';
import { lsetxattr, mknod, S_IFMT } from '../../../src/platform/index.ts';
import { createLowerView } from '../../../src/unpack/index.ts';
import { bytes } from '../../support/builders/entries.ts';
import { lowerView } from '../../support/builders/lower-view.ts';
import { describeWith } from '../../support/machine/needs.ts';
import { Scratch } from '../../support/machine/scratch.ts';
import { expectFailure } from '../../support/matchers.ts';

const whiteout = (path: string) => mknod(path, S_IFMT.CHAR, { major: 0, minor: 0 });

describeWith(['root'], 'createLowerView', () => {
  it('shows the topmost of each name, and directories merged', () => {
    using scratch = new Scratch();
    const [bottom, top] = [scratch.join('bottom'), scratch.join('top')];
    mkdirSync(`${bottom}/d`, { recursive: true });
    mkdirSync(`${top}/d`, { recursive: true });
    writeFileSync(`${bottom}/d/low`, '');
    writeFileSync(`${bottom}/d/both`, '');
    symlinkSync('to/there', `${top}/d/both`);
    const view = lowerView([top, bottom]);
    expect(view.lookup(bytes('d'))).toEqual({ type: 'directory', realPath: `${top}/d` });
    expect(view.lookup(bytes('d/low'))).toEqual({ type: 'other', realPath: `${bottom}/d/low` });
    expect(view.lookup(bytes('d/both'))).toEqual({ type: 'symlink', realPath: `${top}/d/both`, target: 'to/there' });
    expect(view.lookup(bytes('d/none'))).toBeUndefined();
    expect(view.lookup(bytes(''))).toEqual({ type: 'directory', realPath: top });
  });

  it('honours whiteouts, opaque marks and files that stand in the way', () => {
    using scratch = new Scratch();
    const [bottom, middle, top] = ['bottom', 'middle', 'top'].map((name) => scratch.join(name));
    if (bottom === undefined || middle === undefined || top === undefined) throw new TypeError('three names');
    for (const name of ['gone', 'opaque', 'type', 'back']) {
      mkdirSync(`${bottom}/${name}`, { recursive: true });
      writeFileSync(`${bottom}/${name}/f`, '');
    }
    mkdirSync(`${middle}/opaque`, { recursive: true });
    whiteout(`${middle}/gone`);
    lsetxattr(`${middle}/opaque`, 'trusted.overlay.opaque', Buffer.from('y'));
    writeFileSync(`${middle}/type`, '');
    whiteout(`${middle}/back`);
    mkdirSync(`${top}/type`, { recursive: true });
    mkdirSync(`${top}/back`);
    const view = lowerView([top, middle, bottom]);
    for (const path of ['gone', 'gone/f', 'opaque/f', 'type/f', 'back/f'])
      expect(view.lookup(bytes(path)), path).toBeUndefined();
    expect(view.lookup(bytes('type'))?.type).toBe('directory');
    expect(view.lookup(bytes('back'))?.realPath).toBe(`${top}/back`);
    expect(lowerView([bottom]).lookup(bytes('gone/f'))?.type).toBe('other');
  });

  it('looks no further down than it must, and then at all there is', () => {
    using scratch = new Scratch();
    const layers = ['top', 'middle', 'bottom'].map((name) => scratch.join(name));
    for (const layer of layers) mkdirSync(`${layer}/d/d`, { recursive: true });
    writeFileSync(scratch.join('bottom/d/d/low'), '');
    writeFileSync(scratch.join('middle/d/d/mid'), '');
    const view = lowerView(layers);
    expect(view.lookup(bytes('d/d'))?.realPath).toBe(scratch.join('top/d/d'));
    expect(view.lookup(bytes('d/d/mid'))?.realPath).toBe(scratch.join('middle/d/d/mid'));
    expect(view.lookup(bytes('d/d/low'))?.realPath).toBe(scratch.join('bottom/d/d/low'));
    expect(view.lookup(bytes('d/d'))?.realPath).toBe(scratch.join('top/d/d'));
  });

  it('does not ask the layers below for what the topmost has', () => {
    using scratch = new Scratch();
    mkdirSync(scratch.join('top/d'), { recursive: true });
    const view = lowerView([scratch.join('top'), scratch.join('is not there')]);
    expect(view.lookup(bytes('d'))?.type).toBe('directory');
  });

  it('resolves nothing through a symlink, inside or outside', () => {
    using scratch = new Scratch();
    mkdirSync(scratch.join('layer/real'), { recursive: true });
    writeFileSync(scratch.join('layer/real/f'), '');
    writeFileSync(scratch.join('secret'), '');
    symlinkSync('real', scratch.join('layer/link'));
    symlinkSync('..', scratch.join('layer/up'));
    const view = lowerView([scratch.join('layer')]);
    expect(view.lookup(bytes('link/f'))).toBeUndefined();
    expect(view.lookup(bytes('up/secret'))).toBeUndefined();
    expect(view.lookup(bytes('real/f'))?.type).toBe('other');
  });

  it('finds all names of a file that still show', () => {
    using scratch = new Scratch();
    const [bottom, top] = [scratch.join('bottom'), scratch.join('top')];
    mkdirSync(`${bottom}/d`, { recursive: true });
    mkdirSync(top);
    writeFileSync(`${bottom}/a`, '');
    writeFileSync(`${bottom}/alone`, '');
    for (const name of ['d/b', 'hidden', 'replaced']) linkSync(`${bottom}/a`, `${bottom}/${name}`);
    whiteout(`${top}/hidden`);
    writeFileSync(`${top}/replaced`, '');
    const view = lowerView([top, bottom]);
    expect([...view.linksOf(bytes('d/b'))].sort()).toEqual(['a', 'd/b']);
    expect(view.linksOf(bytes('alone'))).toEqual(['alone']);
    expect(view.linksOf(bytes('replaced'))).toEqual(['replaced']);
    expect(view.linksOf(bytes('d'))).toEqual([]);
  });

  it('counts each name that it looks at in a layer, and throws at one too many', async () => {
    using scratch = new Scratch();
    const layers = ['top', 'middle', 'bottom'].map((name) => scratch.join(name));
    for (const layer of layers) mkdirSync(`${layer}/d`, { recursive: true });
    writeFileSync(scratch.join('bottom/d/f'), '');
    linkSync(scratch.join('bottom/d/f'), scratch.join('bottom/g'));
    const steps = new PlanSteps({ limit: 11, taken: 0 });
    const view = createLowerView(layers, steps, new PlanMemory(DEFAULT_LIMITS));
    view.lookup(bytes('d/f'));
    expect(steps.taken).toBe(6);
    view.lookup(bytes('d/f'));
    expect(steps.taken).toBe(6);
    // The names of the bottom layer are listed, and `g` is looked for in the two above it; one is too many.
    const error = await expectFailure('LAYER_LIMIT_EXCEEDED', () => view.linksOf(bytes('d/f')));
    expect(error.context).toEqual({ limit: 'maxPlanSteps', expected: 11, actual: 'more' });
  });

  it('counts the memory of hard links with their paths, but not that of other files or of directories', async () => {
    using scratch = new Scratch();
    const directory = `layer/${'d'.repeat(200)}/${'e'.repeat(200)}`;
    mkdirSync(scratch.join(directory), { recursive: true });
    for (const name of ['f', 'one', 'two', 'three']) writeFileSync(scratch.join(`${directory}/${name}`), '');
    const view = (maxPlanBytes: number) => {
      const steps = new PlanSteps({ limit: 100, taken: 0 });
      return createLowerView([scratch.join('layer')], steps, new PlanMemory({ maxPlanBytes }));
    };
    const path = bytes(directory.slice('layer/'.length));
    expect(view(1_000).linksOf(bytes(`${path}/f`))).toEqual([`${path}/f`]);
    linkSync(scratch.join(`${directory}/f`), scratch.join(`${directory}/g`));
    const error = await expectFailure('LAYER_LIMIT_EXCEEDED', () => view(1_000).linksOf(bytes(`${path}/f`)));
    expect(error.context).toEqual({ limit: 'maxPlanBytes', expected: 1_000, actual: 'more' });
    expect([...view(1_500).linksOf(bytes(`${path}/f`))].sort()).toEqual([`${path}/f`, `${path}/g`]);
  });
});
