import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { renderLimits } from '../../scripts/render-docs.ts';
import { LIMITS, type LimitName } from '../../src/limits/index.ts';
import { listFiles, PROJECT_ROOT } from './source-files.ts';

const names = Object.keys(LIMITS) as LimitName[];

interface Text {
  readonly path: string;
  readonly text: string;
}

function textsBelow(folder: string, leftOut: string): readonly Text[] {
  const paths = listFiles(folder).filter((path) => !path.startsWith(leftOut));
  return paths.map((path) => ({ path, text: readFileSync(join(PROJECT_ROOT, path), 'utf8') }));
}

const sources = textsBelow('src', 'src/limits/');
const tests = textsBelow('test', 'test/architecture/');

/** A breach of these limits gives a client a status or a closed connection, and no error that names the limit. */
const ANSWERED_ON_THE_WIRE: ReadonlySet<LimitName> = new Set<LimitName>([
  'maxTtrpcMessageBytes',
  'maxTtrpcConnections',
  'maxTtrpcRequests',
  'maxTtrpcConnectionRequests',
  'maxTtrpcBufferedBytes',
  'ttrpcFrameTimeoutMs',
  'maxHealthConnections',
  'healthTimeoutMs',
  'maxApiTextBytes',
  'maxApiItems',
]);

const refused = names.filter((name) => 'code' in LIMITS[name] && !ANSWERED_ON_THE_WIRE.has(name));

/** Files that may use a default whatever is configured. */
const DEFAULTS_ALLOWED: Readonly<Record<string, string>> = {
  'src/config/settings.ts': 'it is where defaults come from',
  'src/config/schema.ts': 'it tells them to editors',
  'src/config/load-configuration.ts': 'nothing is configured before the configuration was read',
  'src/config/load-named-file.ts': 'nothing is configured before the configuration was read',
  'src/config/daemon/load-daemon-configuration.ts': 'nothing is configured before the configuration was read',
  'src/config/daemon/guess-sockets.ts': 'nothing is configured before the configuration was read',
  'src/ttrpc/open-listener.ts': 'nothing is configured before the configuration was read',
  'src/store/record-file.ts': 'the default is also the most that may be configured',
  'src/api/request-pull.ts': 'asks our own daemon, which has no limits of its client',
  'src/api/identify-server.ts': 'asks servers of this guest for their name',
  'src/api/extend-runtime-measurement.ts': 'asks the attestation agent of this guest',
  'src/oci/parse-json.ts': 'for documents of the user and the host, such as credentials; those of images bring a limit',
  'src/oci/image-config.ts': 'as parse-json',
  'src/oci/manifest.ts': 'as parse-json',
  'src/platform/command-runner.ts': 'for programs that tests run',
};

describe('the limits', () => {
  it('are the table in docs/limits.md', () => {
    expect(readFileSync(join(PROJECT_ROOT, 'docs/limits.md'), 'utf8'), 'run `make docs`').toBe(renderLimits());
  });

  it.each(names)('%s is a positive number that something obeys', (name) => {
    expect(LIMITS[name].default).toBeGreaterThan(0);
    expect(sources.some(({ text }) => text.includes(name))).toBe(true);
  });

  it.each(names)('%s is set in a test', (name) => {
    expect(tests.filter(({ text }) => new RegExp(`\\b${name}\\b`).test(text))).not.toEqual([]);
  });

  it.each(refused)('%s is named by the error of its breach, in the sources and in a test', (name) => {
    const isNamed = ({ path, text }: Text): boolean => path.endsWith('.ts') && text.includes(`'${name}'`);
    expect(sources.filter(isNamed)).not.toEqual([]);
    expect(tests.filter(isNamed)).not.toEqual([]);
  });

  it('are read from the configuration and not from their defaults', () => {
    const readers = sources.filter(({ text }) => /\bDEFAULT_LIMITS\b|\bLIMITS(?:\.\w+|\[\w+\])\.default\b/.test(text));
    expect(readers.map(({ path }) => path)).toEqual(Object.keys(DEFAULTS_ALLOWED).sort());
  });
});
