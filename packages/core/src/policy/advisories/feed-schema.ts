import * as s from '../../schema/define.ts'
import { timeSchema } from '../../schema/time.ts'
import { checkPeriods, entrySchemas } from '../revocations/schema.ts'
import { faultyEnd } from '../schema/text.ts'

/** How bad something is: shown to people. It decides nothing. */
const SEVERITIES = ['low', 'medium', 'high', 'critical'] as const
/** The field of entries that has it. */
export const SEVERITY = { severity: s.oneOf(SEVERITIES).optional().describe('Shown to people. It decides nothing.') }

/** The entries of each list of a feed. Those of a policy are the same, except that they may name files and have no severity. */
export const DENIED_ENTRIES = entrySchemas(SEVERITY, { key: {}, certificate: {} })

export type DeniedList = keyof typeof DENIED_ENTRIES
export const DENIED_LISTS = Object.keys(DENIED_ENTRIES) as DeniedList[]

/** The name of a feed: unique among the feeds that a service follows. */
export const feedNameSchema = s
  .string()
  .length(1, 2_048, 'expected a name or URI of 1 to 2048 characters')
  .describe('Name or URI of the feed.')

const header = {
  feed: feedNameSchema,
  sequence: s.int().min(1).describe('Number of this version. A later version has a higher one.'),
  issued: timeSchema.describe('When this version was signed: RFC 3339, with a time zone.'),
  expires: timeSchema.describe('When a service may no longer rely on this version.'),
}

/** What a feed says about itself. */
export const headerSchema = s.strictObject(header).withCheck(checkExpiry)

const lists = {
  rootDigests: s.array(DENIED_ENTRIES.rootDigests).optional().describe('Models, named by their root digest.'),
  fileDigests: s.array(DENIED_ENTRIES.fileDigests).optional().describe('Files, named by the digest of the whole file.'),
  keys: s
    .array(DENIED_ENTRIES.keys)
    .optional()
    .describe('Keys, named by the SHA-256 of the public key (SPKI), in DER or PEM.'),
  certificates: s.array(DENIED_ENTRIES.certificates).optional(),
  identities: s.array(DENIED_ENTRIES.identities).optional(),
  claims: s
    .array(DENIED_ENTRIES.claims)
    .optional()
    .describe('Single attestations, named by the SHA-256 of the signed statement.'),
  packages: s
    .array(DENIED_ENTRIES.packages)
    .optional()
    .describe('Models, named by package URL. Without a version, every version.'),
}

/** Everything that a feed denies. */
export const deniedSchema = s.strictObject(lists).withCheck(checkPeriods)

/** Everything that a feed denies, as written. */
export type Denied = s.Infer<typeof deniedSchema>

const predicateSchema = s
  .strictObject({
    ...header,
    denied: deniedSchema.describe(
      'Everything that is denied. What an earlier version denied no longer is, unless it is here.',
    ),
  })
  .withCheck(checkExpiry)

function checkExpiry(
  { issued, expires }: { issued: string; expires: string },
  report: (problem: { message: string; path: string[]; input: string }) => void,
): void {
  const fault = faultyEnd(issued, expires)
  if (fault)
    report({ input: fault.input, message: `expected a time after ${issued}, when it was issued`, path: ['expires'] })
}

/** The JSON Schema of the predicate of advisory feeds. */
export function feedPredicateJsonSchema(): object {
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    ...predicateSchema.toJson(),
    title: 'modelseal advisory feed',
  }
}
