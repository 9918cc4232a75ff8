import { z } from 'zod'
import { LARGEST_BUNDLE_BYTES } from '../../bundle/bundle.ts'
import { EXTENSION_NAMES } from '../../verification/sigstore/fulcio-certificate.ts'
import { compileGlob, globFault } from '../matching/glob.ts'
import { ISOLATION_LEVELS, MODEL_FORMATS } from '../terms.ts'
import {
  durationSchema,
  globSchema,
  nameGlobSchema,
  nameSchema,
  pathGlobSchema,
  reasonSchema,
  rootDigestSchema,
  textSchema,
  timeSchema,
  urlGlobSchema,
} from './text.ts'
import { parsedWithoutPrototypes } from '../../snapshot.ts'

/** `rules`: who may sign what, and what else is asked for. */

const globsSchema = z.union([globSchema, z.array(globSchema).min(1)])
const urlGlobsSchema = z.union([urlGlobSchema, z.array(urlGlobSchema).min(1)])
const nameGlobsSchema = z.union([nameGlobSchema, z.array(nameGlobSchema).min(1)])
const pathGlobsSchema = z.union([pathGlobSchema, z.array(pathGlobSchema).min(1)])

const memoryDigest = z
  .string()
  .regex(/^sha256:[0-9a-f]{64}$/, 'expected sha256: and 64 lowercase hex digits, the digest of the bytes')

const matchSchema = z
  .strictObject({
    path: pathGlobsSchema
      .optional()
      .describe('Globs over the path that the program loads, relative to the policy file.'),
    url: urlGlobsSchema.optional().describe('Globs over the URL that the program loads.'),
    name: globsSchema.optional().describe('Globs over the name that the signer gave to the model.'),
    format: z
      .union([z.enum([...MODEL_FORMATS, 'any']), z.array(z.enum(MODEL_FORMATS)).min(1)])
      .optional()
      .describe('What the loader says it reads.'),
    memory: z
      .union([z.literal('any'), memoryDigest, z.array(memoryDigest).min(1)])
      .optional()
      .describe('What a program hands to a runtime without saying where it is from: by digest, or any.'),
  })
  .refine((match) => Object.keys(match).length > 0, { error: 'expected one of path, url, name, format, memory' })

const typedName = textSchema.refine(
  (text) => typeof text !== 'string' || /^(?:email|URI|DNS|IP|DirName|RID|otherName:[0-9]+(?:\.[0-9]+)+):./.test(text),
  {
    error: 'expected a name with its type: email:…, URI:…, DNS:…, IP:… or otherName:OID:…',
  },
)

const certificateSigner = z.strictObject({
  root: nameSchema.describe('Name of a trust root that is certificates.'),
  subject: textSchema.optional().describe('Subject of the leaf certificate, as RFC 4514 writes it.'),
  san: typedName.optional().describe('One of its subject alternative names, with its type: email:…, URI:…, DNS:…'),
  issuer: textSchema.optional().describe('Issuer of the leaf certificate, as RFC 4514 writes it.'),
})

const sigstoreSigner = z.strictObject({
  root: nameSchema.describe('Name of a trust root that is sigstore.'),
  issuer: textSchema.describe('The OpenID Connect issuer.'),
  identity: textSchema.describe('The identity that the issuer vouched for.'),
  extensions: z
    .partialRecord(z.enum(EXTENSION_NAMES), z.string().min(1).max(4096))
    .optional()
    .describe('Extensions that the certificate must have, each exactly: the repository, ref or trigger of a workflow.'),
})

const signerSchema = z.union([
  z.strictObject({ key: nameSchema.describe('Name of a trust root that is a public key.') }),
  z.strictObject({ certificate: certificateSigner }),
  z.strictObject({ sigstore: sigstoreSigner }),
])

const requireSchema = z.strictObject({
  name: z
    .union([textSchema, z.array(textSchema).min(1)])
    .optional()
    .describe(
      'The name under which the model was signed, as the verified statement says: text, a pattern, a regular expression, or a list.',
    ),
  rootDigest: z
    .union([rootDigestSchema, z.array(rootDigestSchema).min(1)])
    .optional()
    .describe('The root digest of the verified model: sha256: and 64 hex digits, or a list.'),
  transparencyLog: z.boolean().optional().describe('The signature is in a transparency log.'),
  timestamp: z.boolean().optional().describe('A trusted authority says when the signature was made.'),
  maxSignatureAge: durationSchema
    .optional()
    .describe('The signature is provably no older: by the certificate of the signer. A bare key proves none.'),
  signedAfter: timeSchema.optional().describe('The signature was provably made no earlier; as maxSignatureAge.'),
  hashAlgorithms: z
    .array(z.enum(['sha256', 'blake2b', 'blake3']))
    .min(1)
    .optional()
    .describe('Hash types that the signature may use for the files.'),
  files: z
    .enum(['all', 'loaded', 'ignore-unsigned'])
    .optional()
    .describe(
      'all: every file is checked (default). loaded: only what is read. ignore-unsigned: further files may lie beside the signed ones.',
    ),
  unsigned: nameGlobsSchema
    .optional()
    .describe(
      'Globs over names in the model that may lie there unsigned, with all below them. None of them is handed out. What is signed is checked all the same.',
    ),
  isolation: z.array(z.enum(ISOLATION_LEVELS)).min(1).optional().describe('Ways of loading that are allowed.'),
  maxBundleBytes: z
    .int()
    .min(1)
    .max(LARGEST_BUNDLE_BYTES)
    .optional()
    .describe(
      'The largest size of a signature bundle, in bytes. Default 33554432 (32 MiB). A program can lower it, but not raise it.',
    ),
  receipts: z
    .union([z.enum(['never', 'allow']), z.strictObject({ maxAge: durationSchema })])
    .optional()
    .describe(
      'never: every load hashes (default). Else a model whose files did not change since they were last hashed here, at most maxAge ago (allow: 7d), is not hashed again.',
    ),
})

export const ruleSchema = z
  .strictObject({
    name: nameSchema,
    match: matchSchema,
    bundle: nameGlobsSchema
      .optional()
      .describe(
        'Where the signature bundles are, as globs over names in the model. Default: model.sig, DIR.sig beside the directory, or *.oms.sig.',
      ),
    mode: z.enum(['enforce', 'audit', 'skip']).optional().describe('Default enforce.'),
    reason: reasonSchema.optional().describe('Why; asked for where mode is skip.'),
    signers: z.array(signerSchema).min(1).optional().describe('Whose signature is accepted.'),
    threshold: z.int().min(1).optional().describe('How many distinct signers of the list are needed. Default 1.'),
    require: requireSchema.optional(),
  })
  .superRefine((given, context) => {
    const rule = parsedWithoutPrototypes(given)
    const fault = (path: string[], message: string, input?: unknown) =>
      context.addIssue({ code: 'custom', path, message, input })
    if (rule.match.memory !== undefined) {
      if (rule.mode !== 'skip')
        fault(['match', 'memory'], 'expected the mode skip: what has no path has no signature that could be found')
      for (const field of ['path', 'url', 'name'] as const)
        if (rule.match[field] !== undefined)
          fault(['match', field], 'expected none beside memory, which is about what has no place')
      if (rule.bundle !== undefined) fault(['bundle'], 'expected none beside match.memory, which has no place')
    }
    if (rule.mode === 'skip') {
      if (rule.reason === undefined) fault(['mode'], 'expected a "reason" beside the mode skip')
      if (!isExplicit(rule.match))
        fault(
          ['match'],
          'expected a path or url that is not global, with a directory or host spelled out: the mode skip checks nothing',
        )
      for (const field of ['signers', 'threshold', 'require'] as const)
        if (rule[field] !== undefined) fault([field], 'expected none in the mode skip, which checks no signature')
    } else if (rule.signers === undefined) {
      fault([], 'expected signers: whose signature is accepted')
    } else if ((rule.threshold ?? 1) > rule.signers.length) {
      fault(['threshold'], `expected at most ${rule.signers.length}, the number of signers`, rule.threshold)
    }
    // The name is the signer's word, and only a verified signature proves it.
    if (rule.match.name !== undefined && rule.mode !== undefined && rule.mode !== 'enforce')
      fault(
        ['match', 'name'],
        `expected no name in the mode ${rule.mode}: without a valid signature anybody can claim it`,
      )
  })

/** Every path names a directory or file, and every URL a host; memory says it by itself. */
function isExplicit({ path, url, memory }: z.infer<typeof matchSchema>): boolean {
  if (memory !== undefined) return true
  const [paths, urls] = [[path ?? []].flat(), [url ?? []].flat()]
  return (
    paths.length + urls.length > 0 &&
    paths.every((glob) =>
      spelledOut(glob).every((components) => components.some((part) => part !== undefined && !/^\.{0,2}$/.test(part))),
    ) &&
    urls.every((glob) =>
      spelledOut(glob).every(([scheme, empty, host]) => scheme?.endsWith(':') && empty === '' && host),
    )
  )
}

/** What is wrong with the glob itself is told elsewhere. */
function spelledOut(glob: string): readonly (readonly (string | undefined)[])[] {
  return globFault(glob) === undefined ? compileGlob(glob).spelled : []
}

/** A rule as it is written. */
export type RuleText = z.infer<typeof ruleSchema>
export type SignerText = z.infer<typeof signerSchema>
