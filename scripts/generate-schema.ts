/**
 * Writes what follows from the tables in src: config/schema/sealift.schema.json, and the limits at the end of
 * config/sealift.toml. Tests compare both with the tables.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { configurationJsonSchema, LIMIT_NAMES, snakeCase } from '../src/config/index.ts';
import { LIMITS } from '../src/limits/index.ts';

const LIMITS_TABLE = '[pull.limits]\n';

const schemaFile = new URL('../config/schema/sealift.schema.json', import.meta.url);
writeFileSync(schemaFile, `${JSON.stringify(configurationJsonSchema(), undefined, 2)}\n`);

const exampleFile = new URL('../config/sealift.toml', import.meta.url);
const [head = ''] = readFileSync(exampleFile, 'utf8').split(LIMITS_TABLE);
const limits = LIMIT_NAMES.map((name) => {
  const { reason, unit, default: value } = LIMITS[name];
  return `# ${reason} (${unit})\n${snakeCase(name)} = ${value}\n`;
});
writeFileSync(exampleFile, head + LIMITS_TABLE + limits.join('\n'));
