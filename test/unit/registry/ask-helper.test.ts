import { describe, expect, it } from 'vitest';
import { toPlainError } from '../../../src/errors/index.ts';
import { askHelper } from '../../../src/registry/index.ts';
import type { HelperEnd } from '../../../src/registry/types.ts';
import { expectFailure } from '../../support/matchers.ts';

const HELPER = { name: 'some', server: 'h.example:5000' };
const SECRET = 'hunter2-correct-horse';

const ask = (end: HelperEnd) => askHelper(() => Promise.resolve(end), HELPER);
const exited = (stdout: string, code = 0, stderr = ''): HelperEnd => ({ kind: 'exited', code, stdout, stderr });
const answer = (username: unknown, secret: unknown) =>
  exited(JSON.stringify({ ServerURL: HELPER.server, Username: username, Secret: secret }));

describe('askHelper', () => {
  it('asks the program of that name for that server', async () => {
    const asked: string[] = [];
    await askHelper((program, stdin) => {
      asked.push(program, Buffer.from(stdin).toString());
      return Promise.resolve(answer('', ''));
    }, HELPER);
    expect(asked).toEqual(['docker-credential-some', 'h.example:5000']);
  });

  it.each([
    ['a user and a password', answer('user', SECRET), { kind: 'basic', username: 'user', password: SECRET }],
    ['an identity token', answer('<token>', SECRET), { kind: 'identity-token', token: SECRET }],
    ['a password without a user', answer('', SECRET), { kind: 'basic', username: '', password: SECRET }],
    ['nothing', answer('', ''), undefined],
    ['that it has none', exited('credentials not found in native keychain\n', 1), undefined],
  ])('takes %s', async (_, end, expected) => expect(await ask(end)).toEqual(expected));

  it.each([
    ['no such program', { kind: 'missing' } as const, 'no such program'],
    ['one that does not answer', { kind: 'timedOut' } as const, 'no answer in time'],
    ['one that is killed', { kind: 'killed', signal: 'SIGSEGV' } as const, 'SIGSEGV'],
    ['one that fails', exited('', 3, 'cannot\n\u001b[31munlock\n'), 'exit code 3: cannot [31munlock'],
    ['one that says on standard output why it fails', exited('no access\n', 1), 'exit code 1: no access'],
    ['one that fails with an answer', exited(`{"Secret":"${SECRET}"}`, 1), 'exit code 1'],
    ['one that shows the secret', exited(`{"Secret":"${SECRET}"}`, 1, `bad ${SECRET}`), 'exit code 1: bad REDACTED'],
    ['one that shows a secret of one letter', exited('{"Secret":"a"}', 1, 'bad a'), 'exit code 1: REDACTED'],
    ['no JSON', exited(`user:${SECRET}`), 'no JSON object'],
    ['half of it', exited(`{"Username":"u","Secret":"${SECRET}"`), 'no JSON object'],
    ['two secrets', exited(`{"Username":"u","Secret":"x","Secret":"${SECRET}"}`), 'no JSON object'],
    ['a list', exited(`["${SECRET}"]`), 'no JSON object'],
    ['no secret', exited('{"Username":"u"}'), 'without Username and Secret'],
    ['a secret that is none', answer('u', 1), 'without Username and Secret'],
    ['a header', answer('u', `${SECRET}\r\nx: y`), 'control characters'],
    ['a token with a header', answer('<token>', `${SECRET}\n`), 'control characters'],
  ])('refuses %s, without a secret in the message', async (_, end, words) => {
    const error = await expectFailure('AUTHFILE_HELPER_FAILED', () => ask(end));
    expect(error.message).toContain('docker-credential-some: expected credentials of h.example:5000, got ');
    expect(error.message).toContain(words);
    expect(JSON.stringify(toPlainError(error))).not.toContain(SECRET);
  });
});
