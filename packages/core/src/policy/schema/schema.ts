import * as z from 'zod'
import { revokedSchema } from '../revocations/schema.ts'
import { ruleSchema } from './rule.ts'
import { durationSchema, fileSchema, nameSchema, timeSchema } from './text.ts'
import { trustRootSchema } from '../roots/roots.ts'
import { parsedWithoutPrototypes } from '../../snapshot.ts'

/**
 * The single definition of the trust policy: its validation, TypeScript types and published JSON
 * Schema. Every object is strict: an unknown field is an error, never ignored.
 */
export const policySchema = z
  .strictObject({
    $schema: z.string().optional().describe('For editors.'),
    version: z.literal(1),
    include: z.array(fileSchema).min(1).max(64).optional().describe('Further policy files, whose rules come first.'),
    issued: timeSchema.optional().describe('When this policy was written.'),
    maxAge: durationSchema.optional().describe('Once it is this old, the policy accepts nothing.'),
    trustRoots: z.record(nameSchema, trustRootSchema).optional(),
    rules: z.array(ruleSchema).min(1).optional().describe('The first rule that matches a model applies.'),
    revoked: revokedSchema.optional().describe('What no rule can accept.'),
  })
  .superRefine((given, context) => {
    const policy = parsedWithoutPrototypes(given)
    if (policy.maxAge !== undefined && policy.issued === undefined)
      context.addIssue({
        code: 'custom',
        path: ['maxAge'],
        message: 'expected "issued" beside maxAge: the time to count from',
      })
  })

/** Never called: the compiler writes out its return type, so the published types do not refer to zod. */
// eslint-disable-next-line @typescript-eslint/no-unused-vars -- used as a type
const writtenPolicy = () => policySchema.parse(undefined)

/** A trust policy as written in a file. */
export type PolicyFile = ReturnType<typeof writtenPolicy>

/** The JSON Schema with which editors complete and check policies. */
export function policyJsonSchema(): object {
  return {
    ...z.toJSONSchema(policySchema, { io: 'input' }),
    title: 'modelseal trust policy',
  }
}
