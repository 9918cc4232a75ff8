import { ModelSealError, shown } from '../../errors.ts'
import { isArray } from '../../any-realm.ts'
import { listOf, required } from '../../kinds.ts'
import * as s from '../../schema/define.ts'
import { knownOptions, plainCopy, snapshot, withoutPrototype, type Shape } from '../../snapshot.ts'
import { readSmallFile } from '../../source/read-small-file.ts'
import { certificateIn, keyIn } from '../revocations/read-revoked.ts'
import { entrySchemas } from '../revocations/schema.ts'
import { fileSchema } from '../schema/text.ts'
import { withLibraries } from '../when-needed.ts'
import { DENIED_LISTS, deniedSchema, headerSchema, SEVERITY, type Denied } from './feed-schema.ts'
import type { AdvisoryFeed } from './feed-statement.ts'

const { keys, certificates } = entrySchemas(SEVERITY, {
  key: { file: fileSchema.optional() },
  certificate: { file: fileSchema.optional() },
})

const named = { keys: s.array(keys).optional(), certificates: s.array(certificates).optional() }
const entriesSchema = s.strictObject({ ...deniedSchema.fields, ...named })

/** Entries of a feed, in which keys and certificates may also be named by a file. */
export type FeedEntries = s.Infer<typeof entriesSchema>

/**
 * Checks entries that a caller gave, and reads the files that they name.
 *
 * @throws {@link ModelSealError} `INVALID_ARGUMENT`, `KEY_INVALID`, `CERTIFICATE_INVALID`, `FILE_*`
 */
export async function checkedEntries(given: FeedEntries): Promise<Denied> {
  const entries = await checked(listsOf(given, 'entries'), entriesSchema)
  return checked(
    {
      ...entries,
      ...(entries.keys && { keys: await Promise.all(entries.keys.map((entry) => withFingerprint(entry, keyIn))) }),
      ...(entries.certificates && {
        certificates: await Promise.all(entries.certificates.map((entry) => withFingerprint(entry, certificateIn))),
      }),
    },
    deniedSchema,
  )
}

/**
 * What a feed denies that a caller gave: one that was read, or one made by hand.
 *
 * @param of the function that was called, for errors
 * @throws {@link ModelSealError} `INVALID_ARGUMENT`
 */
export async function givenDenied(given: { denied: Denied }, of: string): Promise<Denied> {
  const { denied } = knownOptions(given, { denied: required(plainCopy) }, of)
  return checked(listsOf(denied, 'denied'), deniedSchema)
}

/** Like {@link givenDenied}, with what the feed says about itself. */
export async function givenFeed(given: AdvisoryFeed, of: string): Promise<GivenFeed> {
  const stated = knownOptions<GivenHeader>(given, { feed: true, sequence: true, issued: true, expires: true }, of)
  return { ...(await checked({ ...stated }, headerSchema)), denied: await givenDenied(given, of) }
}

type GivenHeader = Pick<AdvisoryFeed, 'feed' | 'sequence' | 'issued' | 'expires'>
type GivenFeed = GivenHeader & { denied: Denied }

/** An independent copy of the lists, each of which is bounded. */
function listsOf(given: object, of: string): object {
  return snapshot(given, LISTS, of)
}

/** The schema checks what they contain. */
const entry = (value: unknown): unknown =>
  typeof value === 'object' && value !== null && !isArray(value) ? { ...withoutPrototype(value) } : value

const LISTS = Object.fromEntries(DENIED_LISTS.map((list) => [list, listOf(entry)])) as Shape<FeedEntries>

/** The entry with the fingerprint of the file that it names. Either of several fingerprints finds the same key or certificate. */
async function withFingerprint(
  entry: string | { file?: string },
  fingerprintsIn: typeof keyIn,
): Promise<string | object> {
  if (typeof entry === 'string' || entry.file === undefined) return entry
  const { file, ...others } = entry
  const [fingerprint] = await fingerprintsIn(file, readSmallFile)
  return { fingerprint, ...others }
}

async function checked<Value>(given: unknown, schema: s.Schema<Value>): Promise<Value> {
  const result = await withLibraries(() => schema.check(given))
  if ('value' in result) return result.value
  const [{ path, message, input }] = result.issues
  throw new ModelSealError('INVALID_ARGUMENT', `The entry ${shown(path.join('.'))} is invalid.`, {
    expected: message.replace(/^expected /, ''),
    found: typeof input === 'string' ? shown(input) : undefined,
  })
}
