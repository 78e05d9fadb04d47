import { describe, expect, it } from 'vitest';
import { SealiftError } from '../../../src/errors/index.ts';
import { openLogger, openLoggerLater } from '../../../src/log/index.ts';
import { SILENT_LOGGER } from '../../support/daemons/silent-logger.ts';

async function logged(level: string, use: (logger: Awaited<ReturnType<typeof openLogger>>) => void) {
  const lines: string[] = [];
  use(await openLogger({ level, destination: { write: (line) => lines.push(line) } }));
  return lines.map((line): Record<string, unknown> => JSON.parse(line));
}

describe('openLogger', () => {
  it('writes one JSON object a line, from its level on', async () => {
    const lines = await logged('info', (logger) => {
      logger.debug({ n: 1 }, 'too fine');
      logger.info({ n: 2 }, 'layer staged');
      logger.error({}, 'failed');
    });
    expect(lines).toMatchObject([
      { level: 'info', n: 2, msg: 'layer staged' },
      { level: 'error', msg: 'failed' },
    ]);
  });

  it('writes nothing when silent', async () => {
    expect(await logged('silent', (logger) => logger.error({}, 'x'))).toEqual([]);
  });

  it('gives the lines of a child the fields of its request, and those of its parents', async () => {
    const lines = await logged('info', (logger) =>
      logger.child({ request: 7 }).child({ layer: 'a' }).info({ n: 1 }, 'm'),
    );
    expect(lines).toMatchObject([{ request: 7, layer: 'a', n: 1 }]);
  });

  it('lets no secret out: by name, by form, in errors, in bytes, in the message', async () => {
    const lines = await logged('trace', (logger) => {
      const url = 'https://user:hunter2@host/path?X-Amz-Signature=hunter2';
      const error = new SealiftError('HTTP_UNAVAILABLE', `get ${url}`, { cause: new Error(`at ${url}`) });
      logger.info(
        {
          authorization: 'hunter2',
          nested: { password: 'hunter2', list: [{ token: 'hunter2' }], header: 'Bearer hunter2hunter2' },
          url,
          error,
          plain: new Error(url),
          key: Buffer.from('hunter2'),
        },
        `asked ${url}`,
      );
      logger.child({ creds: 'u:hunter2', authfile: '/kept' }).warn({}, 'child');
    });
    expect(JSON.stringify(lines)).not.toContain('hunter2');
    expect(lines[0]).toMatchObject({ key: '<7 bytes>', error: { code: 'HTTP_UNAVAILABLE' } });
    expect(lines[1]).toMatchObject({ creds: 'REDACTED', authfile: '/kept' });
  });

  it('removes control characters from what images say', async () => {
    const [line] = await logged('info', (logger) => logger.info({ name: 'a\u001b[2J\nb' }, 'entry'));
    expect(line?.['name']).toBe('a [2J b');
  });

  it('is bounded in depth and in items', async () => {
    const cycle: Record<string, unknown> = {};
    cycle['self'] = cycle;
    const [line] = await logged('info', (logger) => logger.info({ cycle, many: Array(1000).fill('x') }, 'big'));
    expect(JSON.stringify(line).length).toBeLessThan(2_000);
  });
});

describe('SILENT_LOGGER', () => {
  it('is its own child and writes nothing', () => {
    expect(SILENT_LOGGER.child({ a: 1 })).toBe(SILENT_LOGGER);
    expect(() => SILENT_LOGGER.error({}, 'x')).not.toThrow();
  });
});

describe('openLoggerLater', () => {
  it('writes the lines of the time before pino was there in their order, those of children too, and later ones at once', async () => {
    const lines: string[] = [];
    const logger = openLoggerLater({ level: 'info', destination: { write: (line) => lines.push(line) } });
    await logger.written();
    const child = logger.child({ request: 7 });
    logger.info({ n: 1 }, 'first');
    child.child({ layer: 'a' }).warn({ token: 'hunter2' }, 'second');
    logger.debug({}, 'too fine');
    expect(lines).toEqual([]);
    await logger.written();
    child.error({}, 'third');
    expect(lines.map((line): unknown => JSON.parse(line))).toMatchObject([
      { level: 'info', n: 1, msg: 'first' },
      { level: 'warn', request: 7, layer: 'a', token: 'REDACTED', msg: 'second' },
      { level: 'error', request: 7, msg: 'third' },
    ]);
  });
});
