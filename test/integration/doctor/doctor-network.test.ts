import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { SettingValues } from '../../../src/config/index.ts';
import { DOCTOR_OPERATIONS, type ReportedCheck } from '../../../src/doctor/index.ts';
import { composeTestCli } from '../../support/beds/test-cli.ts';
import { Scratch } from '../../support/machine/scratch.ts';
import { ForwardProxy } from '../../support/proxies/forward-proxy.ts';
import { startTlsFront, type TlsFront } from '../../support/proxies/tls-front.ts';
import { type FakeRegistry, startFakeRegistry } from '../../support/registries/fake-registry.ts';
import { makeTestCertificates, type TestCertificates } from '../../support/registries/test-certificates.ts';

const CLOSED = '127.0.0.1:1';

/** Real registries, certificates and proxies; what `sealift doctor IMAGE` says of them. */
describe('doctor IMAGE', () => {
  const open: AsyncDisposable[] = [];
  let scratch: Scratch;
  let certificates: TestCertificates;
  let registry: FakeRegistry;

  beforeAll(async () => {
    certificates = makeTestCertificates();
    registry = await startFakeRegistry();
  });
  afterAll(() => registry.close());

  beforeEach(() => {
    scratch = new Scratch('doctor-network');
  });
  afterEach(async () => {
    for (const each of open.splice(0)) await each[Symbol.asyncDispose]();
    scratch[Symbol.dispose]();
  });

  async function doctor(
    images: readonly string[],
    settings: SettingValues = {},
    { environment = {}, certDir }: { environment?: Record<string, string>; certDir?: string } = {},
  ): Promise<readonly ReportedCheck[]> {
    const options = {
      settings: { 'store.root': scratch.join('store'), ...settings },
      ...{ configFile: undefined, debug: false, ofDaemon: false, images, certDir },
    };
    const io = { signal: new AbortController().signal, onProgress: () => undefined };
    const home = { HOME: scratch.path, ...environment };
    return (await composeTestCli({ environment: home }).doctor(options, io)).checks;
  }

  const find = (checks: readonly ReportedCheck[], name: string, subject?: string) =>
    checks.find((check) => check.name === name && (subject === undefined || check.subject === subject));

  const trusting = (): SettingValues => ({ 'pull.extra_root_certificates': [certificates.authority] });

  async function front(pair: { key: string; cert: string }, clientAuthority?: string): Promise<TlsFront> {
    const clients = clientAuthority === undefined ? {} : { clientAuthority };
    const started = await startTlsFront({ target: registry.host, ...pair, ...clients });
    open.push(started);
    return started;
  }

  async function serve(
    status: number,
    headers: Record<string, string>,
    body: string | Uint8Array = '',
  ): Promise<string> {
    const server: Server = createServer((_, response) => {
      response.sendDate = headers['date'] === undefined;
      response.writeHead(status, headers).end(body);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    open.push({ [Symbol.asyncDispose]: () => new Promise((resolve) => server.close(() => resolve())) });
    return `127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  it('finds a registry that answers over TLS, whose certificate is trusted', async () => {
    const { host } = await front(certificates.server);
    const before = registry.requests.length;
    const checks = await doctor([`${host}/app:1`], trusting());
    expect(find(checks, 'image-places')).toMatchObject({ status: 'ok', detail: `asked for at ${host}/app` });
    expect(find(checks, 'registry', host)).toMatchObject({
      status: 'ok',
      detail: expect.stringMatching(/^https, status (200|401) after [0-9]+ ms; no credentials for it$/),
    });
    expect(find(checks, 'clock-skew', host)?.status).toBe('ok');
    // Only one request arrives, and none of it is for the image.
    expect(registry.requests.slice(before).map(({ url }) => url)).toEqual(['/v2/']);
  });

  it('connects to nobody without an image', async () => {
    const before = registry.requests.length;
    const conf = scratch.join('registries.conf');
    writeFileSync(conf, `[[registry]]\nlocation = "app.io"\n[[registry.mirror]]\nlocation = "${registry.host}"\n`);
    const checks = await doctor([], { 'pull.registries_conf': conf, 'pull.tls_verify': false });
    expect(find(checks, 'registries')).toMatchObject({ status: 'ok', detail: '1 rules, 1 mirrors' });
    expect(find(checks, 'registry')).toBeUndefined();
    expect(registry.requests.length).toBe(before);
  });

  it('tells apart what can be wrong with a certificate', async () => {
    const expired = await front(certificates.expired);
    const wrongName = await front(certificates.wrongName);
    const checks = await doctor([`${expired.host}/app:1`, `${wrongName.host}/app:1`], trusting());
    const remedies = (host: string) => expect.objectContaining({ status: 'fail', subject: host });
    expect(find(checks, 'registry', expired.host)).toEqual(remedies(expired.host));
    expect(find(checks, 'registry', expired.host)?.remedy).toContain('renew the certificate of the server');
    expect(find(checks, 'registry', wrongName.host)).toEqual(remedies(wrongName.host));
    expect(find(checks, 'registry', wrongName.host)?.remedy).toContain('use a name that is in the certificate');
    const { host } = await front(certificates.server);
    expect(find(await doctor([`${host}/app:1`]), 'registry', host)).toMatchObject({
      status: 'fail',
      remedy: expect.stringContaining('add its certificate authority'),
    });
  });

  it('tells of a registry that wants a client certificate, and is content with one', async () => {
    const { host } = await front(certificates.server, certificates.authority);
    expect(find(await doctor([`${host}/app:1`], trusting()), 'registry', host)).toMatchObject({
      status: 'fail',
      remedy: expect.stringContaining('client certificate'),
    });
    const certDir = scratch.join('certs');
    mkdirSync(certDir);
    writeFileSync(scratch.join('certs/me.cert'), certificates.named.cert);
    writeFileSync(scratch.join('certs/me.key'), certificates.named.key);
    const checks = await doctor([`${host}/app:1`], trusting(), { certDir });
    expect(find(checks, 'registry', host)).toMatchObject({ status: 'ok' });
  });

  it('tells of a port that speaks no TLS, and takes http where that is allowed', async () => {
    expect(find(await doctor([`${registry.host}/app:1`]), 'registry')).toMatchObject({
      status: 'fail',
      remedy: expect.stringContaining('does not speak TLS'),
    });
    const allowed = await doctor([`${registry.host}/app:1`], { 'pull.tls_verify': false });
    expect(find(allowed, 'registry')).toMatchObject({ status: 'ok', detail: expect.stringMatching(/^http, /) });
  });

  it('takes a web server for no registry, and names its page', async () => {
    const html = { 'content-type': 'text/html; charset=utf-8' };
    const page = '<!DOCTYPE html><html><head><title>Welcome to nginx!</title></head></html>';
    const hosts = [
      await serve(200, html, page),
      await serve(404, html, page),
      await serve(200, html, '<html></html>'),
      await serve(200, { ...html, 'content-encoding': 'gzip' }, gzipSync(page)),
      // Some registries label their answer so, and some proxies ask for the password with a page.
      await serve(200, html, 'true'),
      await serve(401, html, page),
    ];
    const checks = await doctor(
      hosts.map((host) => `${host}/app:1`),
      { 'pull.tls_verify': false },
    );
    const title = 'text/html with the title "Welcome to nginx!"';
    expect(
      hosts.map((host) => {
        const { status, detail = '' } = find(checks, 'registry', host) ?? {};
        return [status, detail.replace(/ after .*/, '')];
      }),
    ).toEqual([
      ['fail', `http: a web page and no registry is at /v2/: ${title}`],
      ['fail', `http: expected status 200 or 401 at /v2/, got 404: ${title}`],
      ['fail', 'http: a web page and no registry is at /v2/: text/html'],
      ['fail', `http: a web page and no registry is at /v2/: ${title}`],
      ['ok', 'http, status 200'],
      ['ok', 'http, status 401'],
    ]);
    expect(find(checks, 'registry', hosts[0])?.remedy).toContain('check the name and the port');
  });

  it('takes other statuses for no registry, and compares clocks', async () => {
    const statuses = [404, 403, 503];
    const hosts = await Promise.all(statuses.map((status) => serve(status, {})));
    const date = new Date(Date.now() - 3_600_000).toUTCString();
    const late = await serve(401, { date });
    const images = [...hosts, late].map((host) => `${host}/app:1`);
    const checks = await doctor(images, { 'pull.tls_verify': false });
    for (const [index, host] of hosts.entries()) {
      expect(find(checks, 'registry', host)).toMatchObject({
        status: 'fail',
        detail: expect.stringContaining(`got ${statuses[index]}`),
      });
    }
    expect(find(checks, 'registry', late)?.status).toBe('ok');
    expect(find(checks, 'clock-skew', late)).toMatchObject({
      status: 'warn',
      detail: expect.stringMatching(/^36[0-9]{2} s ahead of/),
    });
  });

  it('asks mirrors in their order, and fails nothing as long as one answers', async () => {
    const conf = scratch.join('registries.conf');
    writeFileSync(
      conf,
      `[[registry]]
location = "app.invalid"
[[registry.mirror]]
location = "${CLOSED}/dead"
insecure = true
[[registry.mirror]]
location = "${registry.host}/copy"
insecure = true
`,
    );
    const checks = await doctor(['app.invalid/x:1'], { 'pull.registries_conf': conf });
    expect(find(checks, 'image-places')).toMatchObject({
      status: 'ok',
      detail: `asked for at ${CLOSED}/dead/x (mirror), then ${registry.host}/copy/x (mirror), then app.invalid/x`,
    });
    expect(find(checks, 'registry', CLOSED)?.status).toBe('warn');
    expect(find(checks, 'registry', registry.host)?.status).toBe('ok');
    expect(find(checks, 'registry', 'app.invalid')).toMatchObject({
      status: 'warn',
      remedy: expect.stringContaining('name server'),
    });
    expect(find(checks, 'name-lookup', 'app.invalid')).toMatchObject({ status: 'warn' });
  });

  it('says that a name is blocked, that a file is broken, and asks nobody then', async () => {
    const conf = scratch.join('registries.conf');
    writeFileSync(conf, '[[registry]]\nlocation = "app.invalid"\nblocked = true\n');
    expect(find(await doctor(['app.invalid/x:1'], { 'pull.registries_conf': conf }), 'image-places')).toMatchObject({
      status: 'fail',
      detail: expect.stringContaining('is blocked by'),
    });
    writeFileSync(conf, '[[registry\n');
    const broken = await doctor(['app.invalid/x:1'], { 'pull.registries_conf': conf });
    expect(find(broken, 'registries')).toMatchObject({ status: 'fail', detail: expect.stringContaining(conf) });
    expect(find(broken, 'registry')).toBeUndefined();
    expect(find(await doctor(['Not A Name']), 'image-places')).toMatchObject({ status: 'fail' });
  });

  it('goes through the proxy, has that looked up and not the registry, and tells of credentials by their file', async () => {
    const proxy = await ForwardProxy.start({ account: 'user:secret' });
    open.push(proxy);
    const { host } = await front(certificates.named);
    proxy.routes.set('registry.example:443', Number(host.split(':')[1]));
    const authfile = scratch.join('auth.json');
    const auth = Buffer.from('alice:hunter2').toString('base64');
    writeFileSync(authfile, JSON.stringify({ auths: { 'registry.example': { auth } } }));
    const url = proxy.urlWith('user:secret').replace('127.0.0.1', 'localhost');
    const checks = await doctor(
      ['registry.example/app:1'],
      { ...trusting(), 'pull.authfile': authfile },
      {
        environment: { HTTPS_PROXY: url },
      },
    );
    const name = url.replace(/^.*@/, '');
    expect(find(checks, 'proxy')).toMatchObject({
      status: 'ok',
      detail: `pull.proxy.https ${name} (environment HTTPS_PROXY)`,
    });
    expect(find(checks, 'registry', 'registry.example')).toMatchObject({
      status: 'ok',
      detail: expect.stringMatching(
        new RegExp(`^https through the proxy ${name}, status .*; credentials for it from ${authfile}$`),
      ),
    });
    expect(find(checks, 'name-lookup', 'registry.example')).toBeUndefined();
    expect(JSON.stringify(checks)).not.toMatch(/secret|hunter2|alice/);
    expect(proxy.requests.map(({ method, target }) => [method, target])).toEqual([['CONNECT', 'registry.example:443']]);
  });

  it('finds the helpers that credentials files name, or says what is wrong with such a file', async () => {
    const authfile = scratch.join('auth.json');
    const bin = scratch.join('bin');
    mkdirSync(bin);
    writeFileSync(scratch.join('bin/docker-credential-here'), '#!/bin/sh\nexit 1\n', { mode: 0o755 });
    const credHelpers = { 'app.invalid': 'here', 'quay.invalid': 'here' };
    writeFileSync(authfile, JSON.stringify({ credHelpers }));
    const settings = { 'pull.authfile': authfile };
    const environment = { PATH: `/nonexistent:${bin}` };
    const found = await doctor(['app.invalid/x:1'], settings, { environment });
    expect(find(found, 'authfile')).toMatchObject({ status: 'ok', detail: authfile });
    expect(find(found, 'credential-helpers')).toMatchObject({
      status: 'ok',
      detail: scratch.join('bin/docker-credential-here'),
    });
    writeFileSync(authfile, JSON.stringify({ credHelpers, credsStore: 'gone' }));
    expect(find(await doctor([], settings, { environment }), 'credential-helpers')).toMatchObject({
      status: 'fail',
      detail: 'not found: docker-credential-gone',
    });
    writeFileSync(authfile, '{"auths":{"a":{"auth":"hunter2"}}}');
    const broken = find(await doctor([], settings), 'authfile');
    expect(broken).toMatchObject({ status: 'fail', detail: expect.stringContaining('base64') });
    expect(JSON.stringify(broken)).not.toContain('hunter2');
  });

  it('tells which exceptions from proxies are there for nothing, and shows no password that stands among them', async () => {
    const NO_PROXY = 'ok.io,10.0.0.0/99,.fine.io,http://me:secret@proxy.io:3128,a*b.io,10.1.0.0/16,host:99999';
    const checks = await doctor([], {}, { environment: { NO_PROXY } });
    const check = find(checks, 'no-proxy');
    expect(check).toMatchObject({
      status: 'warn',
      detail: 'environment NO_PROXY: no host can match 10.0.0.0/99, http://proxy.io:3128, a*b.io, host:99999',
    });
  });

  it('looks up the names of mirrors and proxies that are configured', async () => {
    const conf = scratch.join('registries.conf');
    writeFileSync(conf, '[[registry]]\nlocation = "app.io"\n[[registry.mirror]]\nlocation = "mirror.invalid/x"\n');
    const checks = await doctor([], { 'pull.registries_conf': conf });
    expect(find(checks, 'name-lookup', 'mirror.invalid')).toMatchObject({ status: 'warn' });
    const environment = { HTTPS_PROXY: 'http://proxy.invalid:1', HTTP_PROXY: 'http://proxy.invalid:1' };
    const proxied = await doctor([], { 'pull.registries_conf': conf }, { environment });
    expect(find(proxied, 'name-lookup', 'proxy.invalid')).toMatchObject({ status: 'fail' });
    // The proxy resolves the names of servers that are reached through it.
    expect(find(proxied, 'name-lookup', 'mirror.invalid')).toBeUndefined();
  });

  it('resolves as connections do, and waits no longer than it is told', async () => {
    const request = { hosts: ['localhost', 'nobody.invalid'], timeoutMs: 30_000 };
    expect(await DOCTOR_OPERATIONS.resolveNames(request)).toEqual([
      { host: 'localhost', answer: { addresses: expect.arrayContaining(['127.0.0.1']) } },
      { host: 'nobody.invalid', answer: { failed: expect.stringMatching(/^E(NOTFOUND|AI_AGAIN)$/) } },
    ]);
    const hurried = { hosts: ['nobody.invalid'], timeoutMs: 0 };
    expect(await DOCTOR_OPERATIONS.resolveNames(hurried)).toEqual([
      { host: 'nobody.invalid', answer: { failed: expect.any(String) } },
    ]);
  });

  it('reads name servers as the resolver does', () => {
    const read = (text: string) => {
      writeFileSync(scratch.join('resolv.conf'), text);
      return DOCTOR_OPERATIONS.readResolver({ path: scratch.join('resolv.conf') });
    };
    expect(read('# nameserver 1.1.1.1\nnameserver 10.0.0.1\nsearch a\nnameserver\tfd00::1 x\n')).toEqual({
      nameservers: ['10.0.0.1', 'fd00::1'],
    });
    expect(read('')).toEqual({ nameservers: [] });
    expect(DOCTOR_OPERATIONS.readResolver({ path: scratch.join('none') })).toBe('absent');
  });
});
