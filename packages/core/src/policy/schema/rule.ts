import * as s from '../../schema/define.ts'
import { attestationFields } from '../attestations/schema.ts'
import { signerSchema } from '../methods/methods.ts'
import { fileRequirementFields } from '../requirements/files.ts'
import { requirementFields } from '../requirements/requirements.ts'
import { ONLY_WILD, SOMEWHERE } from './glob-patterns.ts'
import { isExplicit, matchSchema } from './match.ts'
import { nameGlobsSchema, nameSchema, REACHABLE, reasonSchema } from './text.ts'

/** `rules`: who may sign which models, and further requirements. */

const requireSchema = s.strictObject({ ...requirementFields, ...attestationFields, ...fileRequirementFields })

/** What `isExplicit()` accepts, for the JSON Schema. */
const PLACE = { if: { type: 'string' }, then: { pattern: SOMEWHERE }, else: { items: { pattern: SOMEWHERE } } }
const NAMED = { not: { anyOf: [{ pattern: ONLY_WILD }, { type: 'array', contains: { pattern: ONLY_WILD } }] } }
const EXPLICIT = [
  { required: ['memory'] },
  ...['path', 'url', 'source'].map((name) => ({
    required: [name],
    properties: { path: NAMED, url: PLACE, source: PLACE },
  })),
]

export const ruleSchema = s
  .strictObject({
    name: nameSchema.describe('Name of the rule, for verdicts and messages.'),
    match: matchSchema.describe('The models that the rule applies to: those that match every field.'),
    bundle: nameGlobsSchema
      .optional()
      .describe(
        'Where the signature bundles are, as globs for names in the model. Default: model.sig, DIR.sig beside the directory, or *.oms.sig.',
      ),
    mode: s.oneOf(['enforce', 'audit', 'skip']).optional().describe('Default enforce.'),
    reason: reasonSchema.optional().describe('The reason for the rule; required if the mode is skip.'),
    signers: s.array(signerSchema).min(1).optional().describe('The accepted signers.'),
    threshold: s
      .int()
      .min(1)
      .optional()
      .describe('The number of distinct signers in the list that must have signed. Default 1.'),
    require: requireSchema.optional().describe('What signatures and models must meet beyond the signers.'),
  })
  .withCheck((rule, report) => {
    const fault = (path: string[], message: string, input?: unknown) => report({ path, message, input })
    if (rule.match.memory !== undefined) {
      if (rule.mode !== 'skip')
        fault(['match', 'memory'], 'expected the mode skip: without a path, no signature can be found')
      for (const field of ['path', 'url', 'source', 'name'] as const)
        if (rule.match[field] !== undefined)
          fault(
            ['match', field],
            '`memory` cannot be combined with path, url, source or name: it matches models without path and URL',
          )
      if (rule.bundle !== undefined)
        fault(['bundle'], '`match.memory` cannot be combined with bundle: it matches models without path and URL')
    }
    if (rule.mode === 'skip') {
      if (rule.reason === undefined) fault(['mode'], 'mode skip requires a "reason"')
      if (!isExplicit(rule.match))
        fault(
          ['match'],
          'expected a path, url or source that names a directory or host, without wildcards in it, and an organisation on a hub or registry: the mode skip checks nothing',
        )
      for (const field of ['signers', 'threshold', 'require'] as const)
        if (rule[field] !== undefined) fault([field], 'expected none in the mode skip, which checks no signatures')
    } else if (rule.signers === undefined) {
      fault([], 'expected "signers": the signers to accept')
    } else if ((rule.threshold ?? 1) > rule.signers.length) {
      fault(['threshold'], `expected at most ${rule.signers.length}, the number of signers`, rule.threshold)
    }
    // Only a verified signature proves the name.
    if (rule.match.name !== undefined && rule.mode !== undefined && rule.mode !== 'enforce')
      fault(
        ['match', 'name'],
        `expected no name in the mode ${rule.mode}: without a valid signature, anybody can claim it`,
      )
  })
  .inJson({
    allOf: [
      ...REACHABLE,
      {
        if: { required: ['mode'], properties: { mode: { const: 'skip' } } },
        then: {
          required: ['reason'],
          properties: { signers: false, threshold: false, require: false, match: { anyOf: EXPLICIT } },
        },
        else: { required: ['signers'] },
      },
      {
        if: { properties: { match: { type: 'object', required: ['memory'] } } },
        then: {
          required: ['mode'],
          properties: {
            mode: { const: 'skip' },
            bundle: false,
            match: { properties: { path: false, url: false, source: false, name: false } },
          },
        },
      },
      {
        if: { properties: { match: { type: 'object', required: ['name'] } } },
        then: { properties: { mode: { const: 'enforce' } } },
      },
    ],
  })

/** A rule as written in the policy. */
export type RuleText = s.Infer<typeof ruleSchema>
