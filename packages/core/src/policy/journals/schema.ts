import * as s from '../../schema/define.ts'
import { parseDuration } from '../schema/duration.ts'
import { durationSchema, fileSchema, FIXED_LENGTH } from '../schema/text.ts'

/** A segment is written for a day, and must not be deleted while it is. */
const SHORTEST_RETENTION = 2 * 24 * 3_600_000

const retentionSchema = durationSchema
  .withCheck((text, report) => {
    const duration = parseDuration(text)
    if (!duration) return
    if (duration.months > 0) report({ message: 'expected a duration without years and months' })
    else if (duration.milliseconds < SHORTEST_RETENTION) report({ message: 'expected a duration of at least 2 days' })
  })
  .inJson(FIXED_LENGTH)

const nameSchema = s.string().length(1, 256, 'expected a name of 1 to 256 characters')

/** The field of a policy. */
export const journalSchema = s
  .strictObject({
    directory: fileSchema.describe(
      'Directory of the journal, private to the user of the process. It is created if it does not exist.',
    ),
    required: s.boolean().optional().describe('Refuse a load that cannot be recorded. Default false.'),
    durability: s
      .oneOf(['interval', 'each'])
      .optional()
      .describe('Sync records every 200 ms, or each one before the load goes on. Default interval.'),
    service: nameSchema
      .optional()
      .describe('Name of the service in the records. Default MODELSEAL_SERVICE, or the name of the package.'),
    host: nameSchema.optional().describe('Name of the host in the records. Default the name of the host.'),
    key: fileSchema
      .optional()
      .describe(
        'Private key that signs the checkpoints: a file (Ed25519, PEM), or a PKCS#11 URI of a key on P-256. Default one that is created in the directory.',
      ),
    paths: s.oneOf(['full', 'short']).optional().describe('Whether records contain whole paths. Default full.'),
    retention: retentionSchema.optional().describe('How long records are kept. Default for ever.'),
    checkpoints: s
      .strictObject({
        file: fileSchema.describe('File to which the newest checkpoint is written, on another machine if possible.'),
      })
      .optional()
      .describe('Where checkpoints leave the host, so that it cannot take back records.'),
    collected: s
      .boolean()
      .optional()
      .describe(
        'Delete only what a collector has confirmed to "modelseal journal push" that it has stored. Default false.',
      ),
  })
  .describe('The journal in which every verdict by this policy is recorded.')

/** A journal as written in the policy. */
export type JournalText = s.Infer<typeof journalSchema>
