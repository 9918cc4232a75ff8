import { z } from 'zod'
import { EXTENSION_NAMES } from '../../verification/sigstore/fulcio-certificate.ts'
import { fileRequirementFields } from '../requirements/files.ts'
import { requirementFields } from '../requirements/requirements.ts'
import { isExplicit, matchSchema } from './match.ts'
import { nameGlobsSchema, nameSchema, reasonSchema, textSchema } from './text.ts'
import { parsedWithoutPrototypes } from '../../snapshot.ts'

/** `rules`: who may sign what, and what else is asked for. */

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

const requireSchema = z.strictObject({ ...requirementFields, ...fileRequirementFields })

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

/** A rule as it is written. */
export type RuleText = z.infer<typeof ruleSchema>
export type SignerText = z.infer<typeof signerSchema>
