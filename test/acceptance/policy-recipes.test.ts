import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { TestBed } from '../support/beds/test-bed.ts';
import { buildSmallImage } from '../support/builders/small-image.ts';
import { runCommand } from '../support/machine/commands.ts';
import { describeWith } from '../support/machine/needs.ts';
import { SEALIFT } from '../support/programs/sealift-command.ts';
import { signingKey } from '../support/signatures/simple-signatures.ts';

const DOCUMENT = readFileSync(new URL('../../docs/policy.md', import.meta.url), 'utf8');

/** The blocks of a section of docs/policy.md in one language, in their order. */
function blocksOf(title: string, language: 'sh' | 'json'): readonly string[] {
  const [, section = ''] = DOCUMENT.split(`\n## ${title}\n`);
  const [text = ''] = section.split('\n## ');
  return [...text.matchAll(new RegExp(`\`\`\`${language}\n(.*?)\`\`\``, 'gs'))].map(([, block = '']) => block);
}

/** The commands of a section, in their order. */
function commandsOf(title: string): readonly string[] {
  return blocksOf(title, 'sh');
}

describeWith(['root', 'docker-registry', 'gpg', 'skopeo'], 'the recipes of docs/policy.md', () => {
  let bed: TestBed;
  let environment: NodeJS.ProcessEnv;

  beforeAll(async () => {
    bed = await TestBed.open();
    await bed.push('build/app', '1', await buildSmallImage(bed.scratch.path));
    const home = bed.scratch.join('gpg');
    mkdirSync(home, { mode: 0o700 });
    // The passphrase is asked for on a terminal, which tests lack.
    writeFileSync(`${home}/gpg.conf`, 'batch\npinentry-mode loopback\npassphrase-file /dev/null\n');
    environment = { ...process.env, GNUPGHOME: home, SEALIFT_STORE_ROOT: bed.scratch.join('store') };
  });

  afterAll(async () => {
    await runCommand('gpgconf', ['--kill', 'all'], { env: environment });
    await bed?.[Symbol.asyncDispose]();
  });

  /** Runs commands with the registry of the test, which speaks http. */
  function run(commands: string) {
    const script = commands
      .replaceAll('registry.example', bed.registry.host)
      .replaceAll('skopeo inspect ', 'skopeo inspect --tls-verify=false ')
      .replaceAll(' copy ', ' copy --src-tls-verify=false --dest-tls-verify=false ')
      .replaceAll(/sealift (pull|verify)/g, `${SEALIFT} $1 --tls-verify=false`)
      .replaceAll('sealift policy', `${SEALIFT} policy`);
    return runCommand('sh', ['-euc', script], { cwd: bed.scratch.path, env: environment });
  }

  it('my GPG key: signs an image, which then runs under its name and no other, as long as the policy has its key', async () => {
    const commands = commandsOf('Recipe: my GPG key');
    expect(commands).toHaveLength(4);
    for (const each of commands) {
      const { code, stderr } = await run(each);
      expect(code, `${each}\n${stderr}`).toBe(0);
    }
    const pull = 'sealift pull registry.example/team/app:1 --policy policy.json --registries.d registries.d --json';
    const { stdout } = await run(pull);
    const { result } = JSON.parse(stdout.toString());
    expect(result.signers).toEqual([
      expect.objectContaining({ kind: 'openpgp', signedReference: `${bed.registry.host}/team/app:1` }),
    ]);

    const [verify = '', check = '', ...others] = commandsOf('Checking a policy');
    expect(others).toEqual([]);
    const verified = await run(`${verify.trim()} --registries.d registries.d --json`);
    expect([verified.code, JSON.parse(verified.stdout.toString()).result.verdict]).toEqual([0, 'accepted']);
    const checked = await run(`${check.trim()} --json`);
    const { images, keys } = JSON.parse(checked.stdout.toString()).result;
    expect([checked.code, images.length, keys[0].id]).toEqual([0, 2, result.signers[0].fingerprint]);

    const team = 'docker://registry.example/team';
    expect((await run(`skopeo copy ${team}/app:1 ${team}/app:2`)).code).toBe(0);
    const renamed = await run(pull.replace('app:1', 'app:2'));
    expect(renamed.code).toBe(3);
    expect(JSON.parse(renamed.stdout.toString()).error).toMatchObject({
      code: 'POLICY_DENIED',
      message: expect.stringContaining(
        `"signedIdentity": {"type":"exactReference","dockerReference":"${bed.registry.host}/team/app:1"}`,
      ),
    });

    // The image is in the store by now, and its key is no longer in the policy.
    const requirement = { type: 'signedBy', keyType: 'GPGKeys', keyData: signingKey('ed25519').toString('base64') };
    writeFileSync(bed.scratch.join('policy.json'), JSON.stringify({ default: [requirement] }));
    const cached = await run(pull);
    expect(cached.code).toBe(3);
    expect(JSON.parse(cached.stdout.toString()).error).toMatchObject({
      code: 'POLICY_DENIED',
      message: expect.stringContaining(
        `it names key ${result.signers[0].fingerprint}, which the key ring does not hold`,
      ),
      hint: 'add this public key to keyPath, keyPaths or keyData, if you trust its owner',
    });
  });

  it('pin by digest: lets the image run under its digest, and not under its tag', async () => {
    await bed.push('team/app', '1', await buildSmallImage(bed.scratch.path));
    const commands = commandsOf('Recipe: pin by digest');
    expect(commands).toHaveLength(1);
    const { code, stderr } = await run(commands.join(''));
    expect(code, stderr.toString()).toBe(0);
    const byTag = await run('sealift pull registry.example/team/app:1 --policy pinned.json --json');
    expect([byTag.code, JSON.parse(byTag.stdout.toString()).error.code]).toEqual([3, 'POLICY_DENIED']);
  });

  it('moving from podman: the check names the default that lets everything run', async () => {
    const file = bed.scratch.join('podman.json');
    writeFileSync(
      file,
      '{"default":[{"type":"insecureAcceptAnything"}],"transports":{"dir":{"":[{"type":"reject"}]}}}',
    );
    const [command = '', ...others] = commandsOf('Recipe: moving from podman and skopeo');
    expect(others).toEqual([]);
    const { code, stdout } = await run(`${command.trim().replace('/etc/containers/policy.json', file)} --json`);
    const { findings } = JSON.parse(stdout.toString()).result;
    expect([code, findings.map(({ check }: { check: string }) => check).sort()]).toEqual([0, ['default', 'scope']]);
  });

  it('moving from image-rs: the check asks for the rule that the recipe adds', async () => {
    const details = blocksOf('Recipe: moving from image-rs', 'json').map(async (block, position) => {
      const file = bed.scratch.join(`image-rs-${position}.json`);
      writeFileSync(file, JSON.stringify({ default: [JSON.parse(block)] }));
      const { stdout } = await run(`sealift policy check ${file} --json`);
      return JSON.stringify(JSON.parse(stdout.toString()).result.findings);
    });
    const [before, after, ...others] = await Promise.all(details);
    expect([before, others]).toEqual([expect.stringContaining('matchRepository'), []]);
    expect(after).not.toContain('matchRepository');
  });
});
