import * as z from 'zod'
import { signerSchema } from '../methods/methods.ts'
import { fileRequirementFields } from '../requirements/files.ts'
import { requirementFields } from '../requirements/requirements.ts'
import { isExplicit, matchSchema } from './match.ts'
import { nameGlobsSchema, nameSchema, reasonSchema } from './text.ts'
import { parsedWithoutPrototypes } from '../../snapshot.ts'

/** `rules`: who may sign what, and what else is asked for. */

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
