import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Transport } from '../../../src/http/types.ts';
import { DEFAULT_LIMITS } from '../../../src/limits/index.ts';
import { fetchSignature } from '../../../src/lookaside/fetch-signature.ts';
import { createResourceLoader } from '../../../src/resources/index.ts';
import { mustRun } from '../../support/machine/commands.ts';
import { Scratch } from '../../support/machine/scratch.ts';
import { expectFailure } from '../../support/matchers.ts';
import { IMPATIENT, quickTransport } from '../../support/registries/http-fixture.ts';
import { SignatureServer } from '../../support/signatures/signature-server.ts';

const SIGNATURE = Buffer.of(0xa3, 1, 2, 3);
const MAX_BYTES = 1000;

let scratch: Scratch;
let server: SignatureServer;
const transports: Transport[] = [];

beforeEach(async () => {
  scratch = new Scratch('signatures');
  server = await SignatureServer.start();
});

afterEach(async () => {
  for (const transport of transports.splice(0)) await transport.close();
  await server[Symbol.asyncDispose]();
  scratch[Symbol.dispose]();
});

function fetch(location: URL, signal: AbortSignal = new AbortController().signal) {
  const http = quickTransport({ limits: IMPATIENT });
  transports.push(http);
  const limits = { ...DEFAULT_LIMITS, maxSignatureBytes: MAX_BYTES };
  return fetchSignature(location, { http, resources: createResourceLoader(), limits, leftMs: () => undefined }, signal);
}

const remote = (path = '/signature-1') => new URL(path, server.origin);
const local = (path: string) => pathToFileURL(scratch.join(path));

describe('a signature behind http', () => {
  it('is fetched without credentials', async () => {
    server.files.set('/signature-1', SIGNATURE);
    expect(await fetch(remote())).toEqual(new Uint8Array(SIGNATURE));
    const { authorization, cookie } = server.requests[0]?.headers ?? {};
    expect([server.requests.length, authorization, cookie]).toEqual([1, undefined, undefined]);
  });

  it('is absent with status 404, and with no other', async () => {
    expect(await fetch(remote())).toBeUndefined();
  });

  it.each([
    [401, 'HTTP_STATUS_UNEXPECTED'],
    [403, 'HTTP_STATUS_UNEXPECTED'],
    [410, 'HTTP_STATUS_UNEXPECTED'],
    [204, 'HTTP_STATUS_UNEXPECTED'],
    [206, 'HTTP_STATUS_UNEXPECTED'],
    [400, 'HTTP_STATUS_UNEXPECTED'],
    [429, 'HTTP_UNAVAILABLE'],
    [500, 'HTTP_UNAVAILABLE'],
    [503, 'HTTP_UNAVAILABLE'],
  ] as const)('is not absent with status %i', async (status, code) => {
    server.misbehave = (_, response) => response.writeHead(status, { 'www-authenticate': 'Basic realm="x"' }).end();
    const { message } = await expectFailure(code, () => fetch(remote()));
    expect(message).toContain(`${server.origin}/signature-1`);
    for (const { headers } of server.requests) expect(headers.authorization).toBeUndefined();
  });

  it('is not absent when the server hangs, hangs up, or ends early', async () => {
    server.misbehave = () => {};
    await expectFailure('HTTP_UNAVAILABLE', () => fetch(remote()));
    server.misbehave = (request) => request.socket.destroy();
    await expectFailure('HTTP_UNAVAILABLE', () => fetch(remote()));
    server.misbehave = (_, response) => {
      response.writeHead(200, { 'content-length': '9' }).write('x', () => response.destroy());
    };
    await expectFailure('HTTP_UNAVAILABLE', () => fetch(remote()));
  });

  it('is not absent when nothing listens there', async () => {
    const unused = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => unused.once('listening', resolve));
    const address = unused.address();
    await new Promise((resolve) => unused.close(resolve));
    const port = typeof address === 'object' ? address?.port : undefined;
    await expectFailure('HTTP_UNAVAILABLE', () => fetch(new URL(`http://127.0.0.1:${port}/signature-1`)));
  });

  it.each([
    ['declared', { 'content-length': `${MAX_BYTES + 1}` }],
    ['endless', {}],
  ])('is refused when it is too large: %s', async (_, headers) => {
    server.misbehave = (_request, response) => {
      response.writeHead(200, headers);
      const send = () => {
        while (!response.destroyed && response.write(Buffer.alloc(256)));
        if (!response.destroyed) response.once('drain', send);
      };
      send();
    };
    const error = await expectFailure('SIGNATURE_LIMIT_EXCEEDED', () => fetch(remote()));
    expect(error.context).toMatchObject({ limit: 'maxSignatureBytes', expected: MAX_BYTES });
  });

  it('may be redirected, but to no other scheme than http and https', async () => {
    server.files.set('/moved', SIGNATURE);
    const redirect = (target: string) => {
      server.misbehave = (request, response) => {
        if (request.url === '/signature-1') response.writeHead(302, { location: target }).end();
        else response.writeHead(200).end(SIGNATURE);
      };
    };
    redirect('/moved');
    expect(await fetch(remote())).toEqual(new Uint8Array(SIGNATURE));
    writeFileSync(scratch.join('secret'), 'secret');
    for (const target of [local('secret').href, 'data:text/plain,x', 'ftp://127.0.0.1/x']) {
      redirect(target);
      await expectFailure('HTTP_REDIRECT_REFUSED', () => fetch(remote()));
    }
    redirect('/signature-1');
    await expectFailure('HTTP_REDIRECT_REFUSED', () => fetch(remote()));
  });

  it('may be sent with gzip by a server that is not asked for it', async () => {
    server.misbehave = (_, response) =>
      response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(SIGNATURE));
    expect(await fetch(remote())).toEqual(new Uint8Array(SIGNATURE));
  });

  it('is not waited for once the pull is cancelled', async () => {
    const controller = new AbortController();
    server.misbehave = () => controller.abort();
    await expectFailure('PULL_CANCELLED', () => fetch(remote(), controller.signal));
  });
});

describe('a signature in a file', () => {
  it('is read, also over a link and with odd characters in its path', async () => {
    mkdirSync(scratch.join('ä b%c'));
    writeFileSync(scratch.join('ä b%c/signature-1'), SIGNATURE);
    symlinkSync('ä b%c', scratch.join('link'));
    expect(await fetch(local('ä b%c/signature-1'))).toEqual(SIGNATURE);
    expect(await fetch(local('link/signature-1'))).toEqual(SIGNATURE);
  });

  it('is absent when there is no such file or folder', async () => {
    expect(await fetch(local('signature-1'))).toBeUndefined();
    expect(await fetch(local('absent/app/signature-1'))).toBeUndefined();
  });

  it.each([
    ['a folder', () => mkdirSync(scratch.join('signature-1'))],
    ['a pipe', () => mustRun('mkfifo', [scratch.join('signature-1')])],
    ['a device', () => symlinkSync('/dev/zero', scratch.join('signature-1'))],
    ['a link that leads nowhere', () => symlinkSync('nowhere', scratch.join('signature-1'))],
    ['a link to itself', () => symlinkSync('signature-1', scratch.join('signature-1'))],
  ])('is not absent when it is %s', async (_, make) => {
    await make();
    await expectFailure('SIGNATURE_UNAVAILABLE', () => fetch(local('signature-1')));
  });

  it('is not absent when a file is where its folder should be', async () => {
    writeFileSync(scratch.join('app'), '');
    await expectFailure('SIGNATURE_UNAVAILABLE', () => fetch(local('app/signature-1')));
  });

  it('is refused when it is too large', async () => {
    writeFileSync(scratch.join('signature-1'), Buffer.alloc(MAX_BYTES));
    expect(await fetch(local('signature-1'))).toHaveLength(MAX_BYTES);
    writeFileSync(scratch.join('signature-1'), Buffer.alloc(MAX_BYTES + 1));
    const error = await expectFailure('SIGNATURE_LIMIT_EXCEEDED', () => fetch(local('signature-1')));
    expect(error.context).toMatchObject({ limit: 'maxSignatureBytes', expected: MAX_BYTES });
  });
});
