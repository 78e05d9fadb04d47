import * as z from 'zod';
import { boundsOf, LIMITS, type LimitName } from '../limits/index.ts';
import { LIMIT_NAMES, snakeCase } from './settings.ts';
import { INFLATE_MODES, LAYER_FORMATS, VERITY_MODES } from './types.ts';

export const absolutePath = z.string().regex(/^\/[^\u0000]*$/, 'expected an absolute path');
export const certificate = z.string().regex(/-----BEGIN CERTIFICATE-----/, 'expected a PEM certificate');
export const count = z.int().min(1);
function limit(name: LimitName): z.ZodInt {
  const { least, greatest } = boundsOf(name);
  // `z.int` bounds what can be written at all.
  const number = least === 1 ? count : z.int().min(least, `expected at least ${least}`);
  return greatest === Number.MAX_SAFE_INTEGER ? number : number.max(greatest, `expected at most ${greatest}`);
}

const limits = z.strictObject(
  Object.fromEntries(
    LIMIT_NAMES.map((name) => [
      snakeCase(name),
      limit(name)
        .optional()
        .meta({ default: LIMITS[name].default, description: `${LIMITS[name].reason} (${LIMITS[name].unit})` }),
    ]),
  ),
);

const store = z.strictObject({
  root: absolutePath.optional().describe('Sets `data` and `state` to the folders of these names in this directory.'),
  data: absolutePath.optional().describe('The directory of layers and writable uppers.'),
  state: absolutePath.optional().describe('The directory of index, names and locks; guest memory.'),
  layer_format: z
    .enum(LAYER_FORMATS)
    .optional()
    .describe('Whether a layer is kept as one image file or as one directory.'),
  verity: z.enum(VERITY_MODES).optional().describe('Whether a dm-verity hash tree is appended to each layer image.'),
  min_free_bytes: z
    .int()
    .min(0)
    .optional()
    .describe('A pull that would leave fewer bytes free is refused; no more than an eighth of the store is required.'),
});

/**
 * A URL without a scheme means http. The message quotes nothing, because the URL may hold credentials. SOCKS 4 is
 * refused with a code of its own when a request would need it.
 */
export const proxyUrl = z
  .string()
  .regex(
    /^(?:(?:https?|socks(?:4a?|5h?)?):\/\/)?[^\s/?#]+\/?$/i,
    'expected http://, https:// or socks5://[USER:PASSWORD@]HOST[:PORT]',
  );

const proxy = z.strictObject({
  https: proxyUrl.optional().describe('The proxy for https, which goes through it in a tunnel.'),
  http: proxyUrl.optional().describe('The proxy for plain http.'),
  no_proxy: z.string().optional().describe('Hosts, domains, addresses and networks that are reached without a proxy.'),
});

const pull = z.strictObject({
  policy: absolutePath.optional().describe('The policy.json that decides which images run.'),
  insecure_policy: z.boolean().optional().describe('Runs any image that no policy denies.'),
  authfile: absolutePath.optional().describe('Credentials in the auth.json format.'),
  tls_verify: z.boolean().optional().describe('False: registries may use http, and certificates are not verified.'),
  extra_root_certificates: z
    .array(certificate)
    .optional()
    .describe('PEM certificates that are trusted in addition to the roots of the system.'),
  registries_conf: absolutePath.optional().describe('A registries.conf: mirrors, other locations, blocked names.'),
  registries_conf_d: absolutePath.optional().describe('A directory with drop-ins of registries.conf.'),
  registries_d: absolutePath
    .optional()
    .describe('A directory in the format of containers-registries.d(5): where signatures are looked for.'),
  certs_d: absolutePath.optional().describe('A directory with a folder HOST[:PORT] of certificates for each registry.'),
  platform: z.string().min(1).optional().describe('OS/ARCH[/VARIANT] to choose from an index.'),
  foreign_layer_urls: z
    .boolean()
    .optional()
    .describe('True: foreign layers that a registry lacks are fetched from the https addresses in their manifest.'),
  inflate: z
    .enum(INFLATE_MODES)
    .optional()
    .describe('What inflates gzip: auto is ISA-L if a usable libisal is there, else zlib.'),
  not_before: z
    .union(
      [z.iso.date(), z.iso.datetime()],
      'expected a date such as "2026-12-01" or "2026-12-01T00:00:00Z", in quotes',
    )
    .optional()
    .describe('Signatures and keys are judged as of this time while the clock shows an earlier one.'),
  proxy: proxy.optional().describe('Proxies between this machine and the registries.'),
  limits: limits.optional().describe('Limits on untrusted input.'),
});

const log = z.strictObject({
  level: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'silent']).optional(),
});

/** The configuration file of Sealift. Unknown keys are errors. */
export const configurationSchema = z
  .strictObject({ store: store.optional(), pull: pull.optional(), log: log.optional() })
  .meta({ title: 'Sealift configuration' });

export type ConfigurationFile = z.output<typeof configurationSchema>;

/** Returns the JSON Schema for editors, config/schema/sealift.schema.json. */
export function configurationJsonSchema(): unknown {
  return z.toJSONSchema(configurationSchema);
}

export type Checked<T> = { readonly ok: true; readonly file: T } | { readonly ok: false; readonly problem: string };

/** Returns the file, or the first thing that is wrong with it: `pull.limits.max_layers: …`. */
export function checkDocument<T>(schema: z.ZodType<T>, raw: unknown): Checked<T> {
  const result = schema.safeParse(raw);
  if (result.success) return { ok: true, file: result.data };
  const [issue] = result.error.issues;
  if (issue === undefined) return { ok: false, problem: 'not a configuration' };
  const key = [...issue.path, ...(issue.code === 'unrecognized_keys' ? issue.keys.slice(0, 1) : [])].join('.');
  const detail = issue.code === 'unrecognized_keys' ? 'unknown setting' : issue.message;
  return { ok: false, problem: key === '' ? detail : `${key}: ${detail}` };
}

export function checkConfiguration(raw: unknown): Checked<ConfigurationFile> {
  return checkDocument(configurationSchema, raw);
}
