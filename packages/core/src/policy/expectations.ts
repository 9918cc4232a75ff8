import { basename, dirname, extname, join } from 'node:path'
import { schemeOf } from '../absolute-path.ts'
import * as s from '../schema/define.ts'
import { ERROR_CODES, type ErrorCode } from '../errors.ts'
import type { Position } from './reading/invalid-policy.ts'
import { parseChecked } from './reading/parse-policy.ts'
import { readPolicyFile } from './reading/policy-file.ts'
import { fileSchema, formatSchema } from './schema/text.ts'
import type { Decision } from '../results.ts'

/** Enough for thousands of expectations. */
const MAX_BYTES = 1024 * 1024

const CODES = Object.keys(ERROR_CODES) as [ErrorCode, ...ErrorCode[]]

/** The expected decision for one model. */
export interface Expectation {
  /** Path of the model, relative to the file of expectations, or its URL. */
  model: string
  format?: string | undefined
  url?: string | undefined
  expect: Decision
  /** The code of the error. */
  because?: ErrorCode | undefined
  /** Name of the rule that matches. */
  rule?: string | undefined
}

const expectationsSchema: s.Schema<Expectation[]> = s
  .array(
    s
      .strictObject({
        model: fileSchema,
        format: formatSchema.optional(),
        url: s.string().min(1).optional(),
        expect: s.oneOf(['accepted', 'refused', 'tolerated', 'skipped'] satisfies Decision[]),
        because: s.oneOf(CODES, 'expected an error code').optional(),
        rule: s.string().min(1).optional(),
      })
      .withCheck(({ model, url, expect, because }, report) => {
        if (expect === 'accepted' && because !== undefined) {
          const message = 'expected no error code: an accepted model has none'
          report({ message, input: because, path: ['because'] })
        }
        if (url !== undefined && isElsewhere(model)) {
          const message = 'expected no url: it says where a model on this machine came from, and this one is fetched'
          report({ message, input: url, path: ['url'] })
        }
      }),
  )
  .min(1)

/** A file of expectations. */
export interface Expectations {
  /** Absolute path. */
  path: string
  expectations: readonly (Expectation & { position: Position | undefined })[]
}

/** True for the URL of a model that is not on this machine. */
export function isElsewhere(model: string): boolean {
  const scheme = schemeOf(model)
  return scheme !== undefined && scheme !== 'file'
}

/** Path of the expectations of a policy: `trust-policy.test.yaml` beside `trust-policy.yaml`. */
export function expectationsBeside(policy: string): string {
  const extension = extname(policy)
  return join(dirname(policy), `${basename(policy, extension)}.test${extension}`)
}

/**
 * Reads a file of expectations: a list of `model`, `expect`, and optionally `because`, `rule`,
 * `format` and `url`. Models are paths relative to the file, or URLs.
 *
 * @throws {@link ModelSealError} `FILE_NOT_FOUND`, `FILE_UNREADABLE`, `POLICY_INVALID`
 */
export async function readExpectations(path: string): Promise<Expectations> {
  const bytes = await readPolicyFile(path, {
    what: 'file of expectations',
    maxBytes: MAX_BYTES,
    hint: 'Create it beside the policy, as a list of entries with "model", "expect" and "because".',
  })
  const parsed = await parseChecked(bytes, { path, what: 'file of expectations' }, expectationsSchema)
  if (!('file' in parsed)) throw parsed.problems[0]
  const { file, text } = parsed
  return {
    path,
    expectations: file.map((expectation, index) => ({ ...expectation, position: text.position([index]) })),
  }
}
