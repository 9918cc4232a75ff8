import * as z from 'zod'
import { DURATION } from './duration.ts'
import { FINGERPRINT, fingerprintFault } from '../revocations/fingerprint.ts'
import { globFault, nameGlobFault, pathGlobFault, urlGlobFault } from '../matching/glob.ts'
import { ANY_FORMAT, FORMAT_NAME, MODEL_FORMATS, misspeltFormat, OTHER_FORMAT } from '../model-formats.ts'
import { regexpFault } from '../matching/regexp.ts'

/** The scalar values in a policy; anything ambiguous is refused. */

export const nameSchema = z.string().min(1).max(200)

export const fileSchema = z.string().min(1).max(4096).describe('A path, relative to the policy file.')

/** One file or several. */
export const filesSchema = z.union([fileSchema, z.array(fileSchema).min(1)])

export const globSchema = globWithout(globFault)
export const pathGlobSchema = globWithout(pathGlobFault)
export const urlGlobSchema = globWithout(urlGlobFault)

const nameGlobSchema = globWithout(nameGlobFault)
/** One glob for names in a model, or several. */
export const nameGlobsSchema = z.union([nameGlobSchema, z.array(nameGlobSchema).min(1)])

function globWithout(faultOf: (glob: string) => string | undefined) {
  return z.string().superRefine((glob, context) => {
    const fault = faultOf(glob)
    if (fault !== undefined) context.addIssue({ code: 'custom', message: `the glob is not valid: ${fault}` })
  })
}

const regexpSchema = z.string().superRefine((source, context) => {
  const fault = regexpFault(source)
  if (fault !== undefined)
    context.addIssue({ code: 'custom', message: `the regular expression is not valid: ${fault}` })
})

export const textSchema = z
  .union([
    z.string().min(1).max(4096),
    z.strictObject({ pattern: globSchema }),
    z.strictObject({ regexp: regexpSchema }),
  ])
  .describe(
    'Matched exactly. A glob is written as { pattern }, a regular expression as { regexp }; both must match the whole text.',
  )

/** RFC 3339 with a time zone: a bare date means different moments to different readers. */
export const timeSchema = z.iso
  .datetime({ offset: true, error: 'expected a time with a time zone, such as 2026-01-31T00:00:00Z' })
  .describe('RFC 3339, with a time zone.')

const A_DURATION = 'expected a duration such as 180d, 12h or P6M'

export const durationSchema = z
  .string({ error: A_DURATION })
  .regex(DURATION, A_DURATION)
  .describe('180d, 12h, 2w, or an ISO 8601 duration.')

/** As modelseal and other tools print it; compared in the form of {@link plainHex}. */
export const fingerprintSchema = z
  .string()
  .regex(FINGERPRINT, { error: ({ input }) => fingerprintFault(String(input)) })

export const rootDigestSchema = z
  .string()
  .regex(
    /^(sha256:)?[0-9a-f]{64}$/,
    'expected a root digest: 64 lowercase hex digits, with or without the prefix "sha256:"',
  )

const otherFormatSchema = z
  .string()
  .regex(FORMAT_NAME, { error: `expected ${OTHER_FORMAT}`, abort: true })
  .superRefine((name, context) => {
    const meant = misspeltFormat(name)
    if (meant === undefined) return
    const message = 'unknown format; a name one typo away from a known format is not allowed'
    context.addIssue({ code: 'custom', message, params: { values: [meant] } })
  })
/** The known ones by name, so that editors offer them. */
export const formatSchema = z.union([z.enum(MODEL_FORMATS), otherFormatSchema])
export const anyFormatSchema = z.union([z.enum([...MODEL_FORMATS, ANY_FORMAT]), otherFormatSchema])

export const reasonSchema = z.string().min(1).max(1000)

/** The issue if a window is empty; undefined otherwise. */
export function faultyEnd(
  start: string | undefined,
  end: string | undefined,
): { code: 'custom'; message: string; input: string } | undefined {
  if (start === undefined || end === undefined || Date.parse(start) < Date.parse(end)) return undefined
  return { code: 'custom', message: `expected a time after ${start}, the beginning of the period`, input: end }
}

/** A text as written in the policy: exact, or a pattern. */
export type TextPattern = z.infer<typeof textSchema>
