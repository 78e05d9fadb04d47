/**
 * Writes the files that are derived from the tables in src: the schemas in config/schema/, and the limits at the end of
 * config/sealift.toml. Tests compare them with the tables.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { daemonJsonSchema } from '../src/config/daemon/schema.ts';
import { configurationJsonSchema } from '../src/config/schema.ts';
import { LIMIT_NAMES, snakeCase } from '../src/config/settings.ts';
import { LIMITS } from '../src/limits/index.ts';

const LIMITS_TABLE = '[pull.limits]\n';

function writeSchema(name: string, schema: unknown): void {
  const file = new URL(`../config/schema/${name}.schema.json`, import.meta.url);
  writeFileSync(file, `${JSON.stringify(schema, undefined, 2)}\n`);
}

writeSchema('sealift', configurationJsonSchema());
writeSchema('sealiftd', daemonJsonSchema());

const exampleFile = new URL('../config/sealift.toml', import.meta.url);
const [head = ''] = readFileSync(exampleFile, 'utf8').split(LIMITS_TABLE);
const limits = LIMIT_NAMES.map((name) => {
  const { reason, unit, default: value } = LIMITS[name];
  return `# ${reason} (${unit})\n${snakeCase(name)} = ${value}\n`;
});
writeFileSync(exampleFile, head + LIMITS_TABLE + limits.join('\n'));
