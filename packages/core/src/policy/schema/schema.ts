import * as s from '../../schema/define.ts'
import { journalSchema } from '../journals/schema.ts'
import { advisoriesSchema } from '../advisories/schema.ts'
import { revokedSchema } from '../revocations/schema.ts'
import { ruleSchema } from './rule.ts'
import { timeSchema } from '../../schema/time.ts'
import { durationSchema, fileSchema, rootNameSchema } from './text.ts'
import { trustRootSchema } from '../roots/roots.ts'

/**
 * The single definition of the trust policy: its validation, TypeScript types and published JSON
 * Schema. Every object is strict: an unknown field is an error, never ignored.
 */
export const policySchema = s
  .strictObject({
    $schema: s.string().optional().describe('For editors.'),
    version: s.literal(1).describe('The version of this format.'),
    include: s.array(fileSchema).min(1).max(64).optional().describe('Further policy files, whose rules come first.'),
    issued: timeSchema.optional().describe('When this policy was written.'),
    maxAge: durationSchema.optional().describe('Once it is this old, the policy accepts nothing.'),
    trustRoots: s
      .record(rootNameSchema, trustRootSchema)
      .optional()
      .describe('Public keys, certificate authorities and Sigstore instances, by the names that signers refer to.'),
    rules: s.array(ruleSchema).min(1).optional().describe('The first rule that matches a model applies.'),
    revoked: revokedSchema.optional().describe('What no rule can accept.'),
    advisories: advisoriesSchema.optional(),
    journal: journalSchema.optional(),
  })
  .withCheck((policy, report) => {
    if (policy.maxAge !== undefined && policy.issued === undefined)
      report({ path: ['maxAge'], message: 'expected "issued" beside maxAge: the time to count from' })
  })
  .inJson({ if: { required: ['maxAge'] }, then: { required: ['issued'] } })

/** Never called: the compiler writes out its return type, so the published types do not refer to the schema. */
// eslint-disable-next-line @typescript-eslint/no-unused-vars -- used as a type
const writtenPolicy = () => policySchema.accepted

/** A trust policy as written in a file. */
export type PolicyFile = ReturnType<typeof writtenPolicy>

/** The JSON Schema with which editors complete and check policies, in the dialect that most of them know. */
export function policyJsonSchema(): object {
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    $id: 'urn:modelseal:trust-policy:1',
    title: 'modelseal trust policy',
    description: 'Who may sign which model. A model that no rule accepts is refused.',
    ...policySchema.toJson(),
  }
}
