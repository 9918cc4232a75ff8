import * as s from '../../schema/define.ts'
import { DURATION } from './duration.ts'
import { GLOB, NAME_GLOB, PATH_GLOB, SOURCE_GLOB, URL_GLOB } from './glob-patterns.ts'
import { FINGERPRINT, fingerprintFault } from '../revocations/fingerprint.ts'
import { globFault, MAX_GLOB_LENGTH, nameGlobFault, pathGlobFault, urlGlobFault } from '../matching/glob.ts'
import { ANY_FORMAT, FORMAT_NAME, MODEL_FORMATS, misspeltFormat, OTHER_FORMAT } from '../model-formats.ts'
import { regexpFault } from '../matching/regexp.ts'
import { sourceGlobFault } from '../matching/source-glob.ts'

/** The scalar values in a policy; anything ambiguous is refused. */

export const nameSchema = s.string().min(1).max(200)
/** The name of a trust root. As the name of a field, its length has one message. */
export const rootNameSchema = s.string().length(1, 200, 'expected a name of 1 to 200 characters')

export const fileSchema = s.string().min(1).max(4096).describe('A path, relative to the policy file.')

/** One file or several. */
export const filesSchema = s.union([fileSchema, s.array(fileSchema).min(1)])

export const globSchema = globWithout(globFault, GLOB)
export const pathGlobSchema = globWithout(pathGlobFault, PATH_GLOB)
export const urlGlobSchema = globWithout(urlGlobFault, URL_GLOB)
export const sourceGlobSchema = globWithout(sourceGlobFault, SOURCE_GLOB)

const nameGlobSchema = globWithout(nameGlobFault, NAME_GLOB)
/** One glob for names in a model, or several. */
export const nameGlobsSchema = s.union([nameGlobSchema, s.array(nameGlobSchema).min(1)])

function globWithout(faultOf: (glob: string) => string | undefined, pattern: string) {
  return s
    .string()
    .withCheck((glob, report) => {
      const fault = faultOf(glob)
      if (fault !== undefined) report({ message: `the glob is not valid: ${fault}` })
    })
    .inJson({ pattern, maxLength: MAX_GLOB_LENGTH })
}

const regexpSchema = s.string().withCheck((source, report) => {
  const fault = regexpFault(source)
  if (fault !== undefined) report({ message: `the regular expression is not valid: ${fault}` })
})

export const textSchema = s
  .union([
    s.string().min(1).max(4096),
    s.strictObject({ pattern: globSchema.describe('A glob that must match the whole text.') }),
    s.strictObject({ regexp: regexpSchema.describe('A regular expression that must match the whole text.') }),
  ])
  .describe(
    'Matched exactly. A glob is written as { pattern }, a regular expression as { regexp }; both must match the whole text.',
  )

const A_DURATION = 'expected a duration such as 180d, 12h, 10m, 30s or P6M'

export const durationSchema = s
  .string(A_DURATION)
  .regex(DURATION, A_DURATION)
  .describe('180d, 12h, 10m (minutes), 30s, 2w, or an ISO 8601 duration.')

/** For the JSON Schema: no threshold above the number of signers, of lists as short as most are. */
export const REACHABLE = [1, 2, 3].map((count) => ({
  if: { required: ['signers'], properties: { signers: { maxItems: count } } },
  then: { properties: { threshold: { maximum: count } } },
}))

/** For the JSON Schema of durations whose length is fixed: years and months have several. */
export const FIXED_LENGTH = { not: { pattern: '^P(?:0*[1-9][0-9]*Y|(?:[0-9]+Y)?0*[1-9][0-9]*M)' } }

/** As modelseal and other tools print it; compared in the form of {@link plainHex}. */
export const fingerprintSchema = s.string().regex(FINGERPRINT, fingerprintFault)

export const rootDigestSchema = s
  .string()
  .regex(
    /^(sha256:)?[0-9a-f]{64}$/,
    'expected a root digest: 64 lowercase hex digits, with or without the prefix "sha256:"',
  )

const otherFormatSchema = s
  .string()
  .regex(FORMAT_NAME, `expected ${OTHER_FORMAT}`, { abort: true })
  .withCheck((name, report) => {
    const meant = misspeltFormat(name)
    if (meant === undefined) return
    report({ message: 'unknown format; a name one typo away from a known format is not allowed', values: [meant] })
  })
  .inJson({ not: { const: ANY_FORMAT } })
/** The known ones by name, so that editors offer them. */
export const formatSchema = s.union([s.oneOf(MODEL_FORMATS), otherFormatSchema])
export const anyFormatSchema = s.union([s.oneOf([...MODEL_FORMATS, ANY_FORMAT]), otherFormatSchema])

export const reasonSchema = s.string().min(1).max(1000)

/** The problem if a window is empty; undefined otherwise. */
export function faultyEnd(
  start: string | undefined,
  end: string | undefined,
): { message: string; input: string } | undefined {
  if (start === undefined || end === undefined || Date.parse(start) < Date.parse(end)) return undefined
  return { message: `expected a time after ${start}, the beginning of the period`, input: end }
}

/** A text as written in the policy: exact, or a pattern. */
export type TextPattern = s.Infer<typeof textSchema>
