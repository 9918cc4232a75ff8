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
    version: s.literal(1),
    include: s.array(fileSchema).min(1).max(64).optional().describe('Further policy files, whose rules come first.'),
    issued: timeSchema.optional().describe('When this policy was written.'),
    maxAge: durationSchema.optional().describe('Once it is this old, the policy accepts nothing.'),
    trustRoots: s.record(rootNameSchema, trustRootSchema).optional(),
    rules: s.array(ruleSchema).min(1).optional().describe('The first rule that matches a model applies.'),
    revoked: revokedSchema.optional().describe('What no rule can accept.'),
    advisories: advisoriesSchema.optional(),
    journal: journalSchema.optional(),
  })
  .withCheck((policy, report) => {
    if (policy.maxAge !== undefined && policy.issued === undefined)
      report({ path: ['maxAge'], message: 'expected "issued" beside maxAge: the time to count from' })
  })

/** Never called: the compiler writes out its return type, so the published types do not refer to the schema. */
// eslint-disable-next-line @typescript-eslint/no-unused-vars -- used as a type
const writtenPolicy = () => policySchema.accepted

/** A trust policy as written in a file. */
export type PolicyFile = ReturnType<typeof writtenPolicy>

/** The JSON Schema with which editors complete and check policies. */
export function policyJsonSchema(): object {
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    ...policySchema.toJson(),
    title: 'modelseal trust policy',
  }
}
