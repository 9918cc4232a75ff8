import { basename, dirname, extname, join } from 'node:path'
import * as z from 'zod'
import { ERROR_CODES, type ErrorCode } from '../errors.ts'
import type { Position } from './reading/invalid-policy.ts'
import { parseChecked } from './reading/parse-policy.ts'
import { readPolicyFile } from './reading/policy-file.ts'
import { fileSchema, formatSchema } from './schema/text.ts'
import { parsedWithoutPrototypes } from '../snapshot.ts'
import type { Decision } from '../results.ts'

/** Enough for thousands of expectations. */
const MAX_BYTES = 1024 * 1024

const CODES = Object.keys(ERROR_CODES) as [ErrorCode, ...ErrorCode[]]

const expectationsSchema = z
  .array(
    z
      .strictObject({
        model: fileSchema,
        format: formatSchema.optional(),
        url: z.string().min(1).optional(),
        expect: z.enum(['accepted', 'refused', 'tolerated', 'skipped'] satisfies Decision[]),
        because: z.enum(CODES, { error: 'expected an error code' }).optional(),
        rule: z.string().min(1).optional(),
      })
      .superRefine((given, context) => {
        const { expect, because } = parsedWithoutPrototypes(given)
        if (expect !== 'accepted' || because === undefined) return
        const message = 'expected no error code: an accepted model has none'
        context.addIssue({ code: 'custom', message, input: because, path: ['because'] })
      }),
  )
  .min(1)

/** Never called: the compiler writes out its return type, so the published types do not refer to zod. */
export const writtenExpectations = () => expectationsSchema.parse(undefined)

/** The expected decision for one model. */
export type Expectation = ReturnType<typeof writtenExpectations>[number]

/** A file of expectations. */
export interface Expectations {
  /** Absolute path. */
  path: string
  expectations: readonly (Expectation & { position: Position | undefined })[]
}

/** Path of the expectations of a policy: `trust-policy.test.yaml` beside `trust-policy.yaml`. */
export function expectationsBeside(policy: string): string {
  const extension = extname(policy)
  return join(dirname(policy), `${basename(policy, extension)}.test${extension}`)
}

/**
 * Reads a file of expectations: a list of `model`, `expect`, and optionally `because`, `rule`,
 * `format` and `url`. Paths of models are relative to the file.
 *
 * @throws {@link ModelSealError} `FILE_NOT_FOUND`, `FILE_UNREADABLE`, `POLICY_INVALID`
 */
export async function readExpectations(path: string): Promise<Expectations> {
  const bytes = await readPolicyFile(path, {
    what: 'file of expectations',
    maxBytes: MAX_BYTES,
    hint: 'Create it beside the policy, as a list of "model", "expect" and "because".',
  })
  const parsed = await parseChecked(bytes, { path, what: 'file of expectations' }, expectationsSchema)
  if (!('file' in parsed)) throw parsed.problems[0]
  const { file, text } = parsed
  return {
    path,
    expectations: file.map((expectation, index) => ({ ...expectation, position: text.position([index]) })),
  }
}
