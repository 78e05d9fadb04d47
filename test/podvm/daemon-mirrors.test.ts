import { afterAll, beforeAll, expect, it } from 'vitest';
import { PullBed, type ServedImage } from '../support/beds/pull-bed.ts';
import { pseudoRandom } from '../support/builders/small-image.ts';
import { dir, file } from '../support/builders/tar-builder.ts';
import { describeWith } from '../support/machine/needs.ts';
import { GuestDaemon } from '../support/podvm/guest-daemon.ts';
import { ReapedFolder } from '../support/podvm/supervised-process.ts';
import { POD_VM_NEEDS, usePodVm } from '../support/podvm/use-pod-vm.ts';
import { startFakeRegistry } from '../support/registries/fake-registry.ts';

const NAME = 'app.invalid/team';

/** Only the name in the reference may run, and neither of the endpoints that have the image. */
const POLICY = JSON.stringify({
  default: [{ type: 'reject' }],
  transports: { docker: { [NAME]: [{ type: 'insecureAcceptAnything' }] } },
});

describeWith(POD_VM_NEEDS, 'mirrors of the daemon in the pod VM', () => {
  let own: PullBed;
  let mirror: PullBed;
  let daemon: GuestDaemon;
  const scratch = new ReapedFolder('mirrors');
  const vm = usePodVm({ name: 'mirrors' });
  let images = 0;

  beforeAll(async () => {
    [own, mirror] = [new PullBed(await startFakeRegistry()), new PullBed(await startFakeRegistry())];
    daemon = await GuestDaemon.start(vm(), settings('blocked = true'), scratch.path);
  });

  afterAll(async () => {
    await daemon?.[Symbol.asyncDispose]();
    await own?.close();
    await mirror?.close();
    await scratch[Symbol.asyncDispose]();
  });

  /** The address by which the guest reaches a server of this process. */
  const hostOf = ({ registry }: PullBed) => registry.host.replace('127.0.0.1', vm().registryHost);

  const settings = (extra = '') => `
[image]
image_security_policy = '${POLICY}'
[[image.registry_config.registry]]
prefix = "${NAME}"
location = "${hostOf(own)}"
insecure = true
${extra}
[[image.registry_config.registry.mirror]]
location = "${hostOf(mirror)}"
insecure = true
`;

  /** Serves an image of which the guest has nothing, at both endpoints. */
  function serve(): ServedImage {
    images += 1;
    const layers = [[dir('etc'), file('etc/number', `${images}`)], [file('words', pseudoRandom(300_000, `${images}`))]];
    mirror.serveImage(layers, { tag: 'latest' });
    const served = own.serveImage(layers, { tag: 'latest' });
    for (const { registry } of [own, mirror]) registry.requests.length = 0;
    return served;
  }

  async function expectPulled(reference: string, { digest }: ServedImage): Promise<void> {
    const outcome = await daemon.mustPull(`${NAME}/app${reference}`);
    expect(outcome.digest).toBe(digest);
    expect(await vm().mustRun(['cat', `${outcome.bundle}/rootfs/etc/number`])).toBe(`${images}`);
  }

  const layersFrom = (bed: PullBed, { layers }: ServedImage) => layers.map((digest) => bed.fetchesOf(digest));

  it('are not asked for what the configuration blocks, nor is anybody else', async () => {
    const image = serve();
    const { status, message } = await daemon.pull(`${NAME}/app@${image.digest}`);
    expect([status, message]).toEqual([13, expect.stringContaining('[REGISTRY_BLOCKED]')]);
    expect([mirror.registry.requests, own.registry.requests]).toEqual([[], []]);
    await daemon.process[Symbol.asyncDispose]();
    await daemon.startAgain(settings());
  });

  it('have a tag and a digest, and the policy judges the name that was written', async () => {
    const first = serve();
    await expectPulled(':latest', first);
    expect([layersFrom(mirror, first), own.registry.requests]).toEqual([[1, 1], []]);
    const second = serve();
    await expectPulled(`@${second.digest}`, second);
    expect([layersFrom(mirror, second), own.registry.requests]).toEqual([[1, 1], []]);
    for (const bed of [mirror, own]) {
      const { status, message } = await daemon.pull(`${hostOf(bed)}/app@${second.digest}`);
      expect([status, message]).toEqual([13, expect.stringContaining('[POLICY_DENIED]')]);
    }
  });

  it('that send other bytes are passed over for the registry, and that is logged', async () => {
    const image = serve();
    const [, second = ''] = image.layers;
    const alter = (body: Buffer) => Buffer.from(body.map((byte, index) => (index === 1_000 ? byte ^ 1 : byte)));
    mirror.registry.inject({ match: new RegExp(second), times: 9, action: { kind: 'alter', alter } });
    await expectPulled(`@${image.digest}`, image);
    expect(layersFrom(own, image)).toEqual([0, 1]);
    expect(daemon.log.join('\n')).toContain(`skipped ${hostOf(mirror)}/app (sent wrong bytes)`);
  });

  it('that are gone leave it to the registry', async () => {
    const image = serve();
    await mirror.registry.close();
    await expectPulled(':latest', image);
    expect(layersFrom(own, image)).toEqual([1, 1]);
    expect(daemon.log.join('\n')).toContain('HTTP_UNAVAILABLE');
  });
});
