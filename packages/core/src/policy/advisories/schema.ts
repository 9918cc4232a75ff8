import * as s from '../../schema/define.ts'
import { signerSchema } from '../methods/methods.ts'
import { parseDuration } from '../schema/duration.ts'
import { durationSchema, fileSchema, FIXED_LENGTH, REACHABLE } from '../schema/text.ts'

/** `advisories`: the feeds that a policy follows. */

const A_URL = 'expected an https URL without user, query and fragment'

/** Confidentiality is of no use here, but whoever can answer in place of the server can hold back what it has to say. */
const urlSchema = s
  .string()
  .max(4096)
  .regex(/^[^?#@\s]*$/, A_URL)
  .refine((text) => isHttps(URL.parse(text)), `${A_URL}; http is only for this machine`)
  .inJson({ pattern: '^[hH][tT][tT][pP][sS]?:[^?#@\\s]+$' })
  .describe('URL of the feed.')

/** A policy that polls more often would need the answer to be pushed. */
const SHORTEST_REFRESH = 1_000
/** Timers overflow beyond this. */
const LONGEST = 24 * 24 * 3_600_000

/** A duration with a fixed length, in milliseconds. */
const fixedDuration = durationSchema
  .withCheck((text, report) => {
    const duration = parseDuration(text)
    if (!duration) return
    if (duration.months > 0) report({ message: 'expected a duration without years and months' })
    else if (duration.milliseconds < SHORTEST_REFRESH || duration.milliseconds > LONGEST)
      report({ message: 'expected a duration of a second to 24 days' })
  })
  .inJson(FIXED_LENGTH)

const tufSchema = s
  .strictObject({
    url: urlSchema.describe('URL of the metadata.'),
    root: fileSchema.describe('Its root.json, against which everything fetched is verified.'),
    target: s
      .string()
      .max(1024)
      .regex(/^(?!.*(?:^|\/)\.{0,2}(?:\/|$))[^\\?#%\s]+$/, 'expected the name of a target, such as advisories.jsonl')
      .describe('The name of the target that is the feed.'),
    targets: urlSchema.optional().describe('URL below which the targets are. Default: "targets" below the metadata.'),
  })
  .describe('The feed: a target of a repository of The Update Framework (TUF).')

const advisorySchema = s
  .strictObject({
    url: urlSchema.optional(),
    file: fileSchema.optional().describe('The feed: a file, which is read again whenever it changes.'),
    tuf: tufSchema.optional(),
    signers: s.array(signerSchema).min(1).max(64).describe('Who may sign the feed.'),
    threshold: s
      .int()
      .min(1)
      .optional()
      .describe('The number of distinct signers in the list that must have signed. Default 1.'),
    refresh: fixedDuration.optional().describe('How often a new version is looked for. Default 5m.'),
    maxAge: fixedDuration
      .optional()
      .describe('How long a version may be relied on after it was last known to be the current one. Default 24h.'),
    ifStale: s
      .oneOf(['refuse', 'warn'])
      .optional()
      .describe('What to do if no version may be relied on. Default refuse.'),
  })
  .withCheck(({ url, file, tuf, signers, threshold = 1, refresh, maxAge }, report) => {
    if ([url, file, tuf].filter((place) => place !== undefined).length !== 1)
      report({ message: 'expected one of "url", "file" and "tuf"' })
    if (file !== undefined && refresh !== undefined)
      report({ path: ['refresh'], message: 'expected no "refresh" for a file: it is read whenever it changes' })
    if (threshold > signers.length)
      report({
        path: ['threshold'],
        message: `expected at most ${signers.length}, the number of signers`,
        input: threshold,
      })
    if (file === undefined && millisecondsOf(maxAge, DEFAULT_MAX_AGE) < millisecondsOf(refresh, DEFAULT_REFRESH))
      report({ path: ['maxAge'], message: 'expected a time that is not shorter than "refresh"', input: maxAge })
  })
  .inJson({
    oneOf: [{ required: ['url'] }, { required: ['file'] }, { required: ['tuf'] }],
    allOf: REACHABLE,
    if: { required: ['file'] },
    then: { properties: { refresh: false } },
  })

export const DEFAULT_REFRESH = '5m'
export const DEFAULT_MAX_AGE = '24h'

/** The most feeds of a policy, over all its files. */
export const MAX_FEEDS = 128

/** The field of a policy. */
export const advisoriesSchema = s
  .array(advisorySchema)
  .min(1)
  .max(MAX_FEEDS)
  .describe('Signed feeds of what nobody should load. Everything that they deny is refused.')

/** A feed as written in the policy. */
export type AdvisoryText = s.Infer<typeof advisorySchema>

/** @param written as its schema accepts it */
export function millisecondsOf(written: string | undefined, otherwise: string): number {
  return parseDuration(written ?? otherwise)?.milliseconds ?? 0
}

function isHttps(url: URL | null): boolean {
  if (!url) return false
  return url.protocol === 'https:' || (url.protocol === 'http:' && isThisMachine(url.hostname))
}

function isThisMachine(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(hostname)
}
