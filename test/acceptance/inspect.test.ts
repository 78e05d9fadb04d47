import { afterAll, beforeAll, expect, it } from 'vitest';
import { TestBed } from '../support/beds/test-bed.ts';
import type { BuiltImage } from '../support/builders/image-builder.ts';
import { buildSmallImage } from '../support/builders/small-image.ts';
import { mustRun } from '../support/machine/commands.ts';
import { describeWith } from '../support/machine/needs.ts';
import { runSealift, SEALIFT } from '../support/programs/sealift-command.ts';

describeWith(['docker-registry'], 'sealift inspect', () => {
  let bed: TestBed;
  let image: BuiltImage;

  beforeAll(async () => {
    bed = await TestBed.open();
    image = await buildSmallImage(bed.scratch.path);
    await bed.push('small', 'latest', image);
  });

  afterAll(() => bed?.[Symbol.asyncDispose]());

  it('asks for manifest and config and for no layer', async () => {
    bed.proxy.setRules([]);
    const answer = await runSealift(['inspect', bed.reference('small:latest'), '--tls-verify=false']);
    expect(answer.error).toBeUndefined();
    const asked = bed.proxy.requests.map(({ path }) => path);
    expect(asked.some((path) => path.endsWith(image.config.digest))).toBe(true);
    expect(asked.filter((path) => image.layers.some(({ digest }) => path.endsWith(digest)))).toEqual([]);
  });

  it('--raw writes the manifest as the registry has it, byte for byte', async () => {
    const { index, manifest } = image;
    const raw = (name: string) => mustRun(SEALIFT, ['inspect', bed.reference(name), '--tls-verify=false', '--raw']);
    expect([manifest.bytes, index?.bytes].map(String)).toContain((await raw('small:latest')).toString().trimEnd());
    expect((await raw(`small@${manifest.digest}`)).toString().trimEnd()).toBe(manifest.bytes.toString());
  });

  it('--config writes the image config', async () => {
    const output = await mustRun(SEALIFT, ['inspect', bed.reference('small:latest'), '--tls-verify=false', '--config']);
    expect(JSON.parse(output.toString())).toEqual(JSON.parse(image.config.bytes.toString()));
  });

  it('says on --help what it does, with an example', async () => {
    const output = (await mustRun(SEALIFT, ['inspect', '--help'])).toString();
    expect(output).toContain('--raw');
    expect(output).toMatch(/sealift inspect \S+/);
  });
});
