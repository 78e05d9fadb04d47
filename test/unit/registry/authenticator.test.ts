import { describe, expect, it } from 'vitest';
import type { DocumentResponse, HttpRequest } from '../../../src/http/index.ts';
import { Authenticator } from '../../../src/registry/authenticator.ts';
import { expectFailure } from '../../support/matchers.ts';

const REALM = 'Bearer realm="https://auth.example/token",service="registry"';
const MORE = `${REALM},error="insufficient_scope",scope="repository:team/app:pull,push"`;

interface Question {
  readonly scope: string | null;
  answer(token: string): void;
}

/** An authenticator whose token service answers when the test says so, also questions that were cancelled. */
function setUp() {
  const questions: Question[] = [];
  const fetchDocument = ({ url }: HttpRequest): Promise<DocumentResponse> => {
    const { promise, resolve } = Promise.withResolvers<DocumentResponse>();
    const answer = (token: string): void => {
      resolve({ status: 200, headers: {}, body: Buffer.from(JSON.stringify({ token })), redirected: false });
    };
    questions.push({ scope: new URL(url).searchParams.get('scope'), answer });
    return promise;
  };
  const authenticator = new Authenticator({
    registry: new URL('https://registry.example'),
    path: 'team/app',
    credentials: undefined,
    http: { fetchDocument },
    maxTokenBytes: 1_000,
    clock: { now: () => 0 },
  });
  authenticator.prepare({ headers: [REALM] });
  return { authenticator, questions };
}

/** Waits until everything that is ready has run. */
async function settle(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

describe('Authenticator', () => {
  it('keeps a token for more scope when that for the scope before arrives later', async () => {
    const { authenticator, questions } = setUp();
    const before = authenticator.authorization(undefined);
    const renewed = authenticator.renew({ headers: [MORE] }, undefined);
    expect(questions.map(({ scope }) => scope)).toEqual(['repository:team/app:pull', 'repository:team/app:pull,push']);
    questions[1]?.answer('more');
    expect(await renewed).toBe('Bearer more');
    questions[0]?.answer('less');
    expect(await before).toBe('Bearer less');
    expect(await authenticator.authorization(undefined)).toBe('Bearer more');
    expect(questions).toHaveLength(2);
  });

  it('waits for a token for more scope when that for the scope before arrives earlier', async () => {
    const { authenticator, questions } = setUp();
    const before = authenticator.authorization(undefined);
    const renewed = authenticator.renew({ headers: [MORE] }, undefined);
    questions[0]?.answer('less');
    expect(await before).toBe('Bearer less');
    const next = authenticator.authorization(undefined);
    questions[1]?.answer('more');
    expect([await renewed, await next]).toEqual(['Bearer more', 'Bearer more']);
    expect(questions).toHaveLength(2);
  });

  it('keeps a token when the answer to a cancelled question before it arrives later', async () => {
    const { authenticator, questions } = setUp();
    const controller = new AbortController();
    const cancelled = authenticator.authorization(controller.signal);
    controller.abort();
    await expectFailure('PULL_CANCELLED', () => cancelled);
    const next = authenticator.authorization(undefined);
    questions[1]?.answer('second');
    expect(await next).toBe('Bearer second');
    questions[0]?.answer('first');
    await settle();
    expect(await authenticator.authorization(undefined)).toBe('Bearer second');
  });
});
