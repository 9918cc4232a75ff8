import { ModelSealError, shown } from '../../errors.ts'
import * as s from '../../schema/define.ts'
import { readSmallFile } from '../../source/read-small-file.ts'
import { certificateIn, keyIn } from '../revocations/read-revoked.ts'
import { entrySchemas } from '../revocations/schema.ts'
import { fileSchema } from '../schema/text.ts'
import { withLibraries } from '../when-needed.ts'
import { deniedSchema, SEVERITY, type Denied } from './feed-schema.ts'

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
  const entries = await checked(given, entriesSchema)
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
  const where =
    path.length === 0 ? 'The entries of the feed are invalid.' : `The entry ${shown(path.join('.'))} is invalid.`
  throw new ModelSealError('INVALID_ARGUMENT', where, {
    expected: message.replace(/^expected /, ''),
    found: typeof input === 'string' ? shown(input) : undefined,
  })
}
