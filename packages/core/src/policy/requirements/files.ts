import * as z from 'zod'
import { LARGEST_BUNDLE_BYTES } from '../../bundle/bundle.ts'
import { withoutPrototype } from '../../snapshot.ts'
import { anyOf } from '../matching/glob.ts'
import { parseDuration, type Duration } from '../schema/duration.ts'
import { durationSchema, nameGlobsSchema } from '../schema/text.ts'
import { ISOLATION_LEVELS } from '../terms.ts'

/** What a rule asks of the load itself, apart from signatures. */
export interface FileRequirements {
  files: 'all' | 'loaded' | 'ignore-unsigned'
  /** What may lie in a local model unsigned, by its name; absent where nothing may. */
  unsigned?: (name: string) => boolean
  isolation?: readonly string[]
  /** Largest size of a bundle; absent where the program's word or the default holds. */
  maxBundleBytes?: number
  /** Absent where every load hashes. */
  receipts?: { maxAge: Duration }
}

/** Their fields under `require`. */
export const fileRequirementFields = {
  files: z
    .enum(['all', 'loaded', 'ignore-unsigned'])
    .optional()
    .describe(
      'all: every file is checked (default). loaded: only what is read. ignore-unsigned: further files may lie beside the signed ones.',
    ),
  unsigned: nameGlobsSchema
    .optional()
    .describe(
      'Globs over names in the model that may lie there unsigned, with all below them. None of them is handed out. What is signed is checked all the same.',
    ),
  isolation: z.array(z.enum(ISOLATION_LEVELS)).min(1).optional().describe('Ways of loading that are allowed.'),
  maxBundleBytes: z
    .int()
    .min(1)
    .max(LARGEST_BUNDLE_BYTES)
    .optional()
    .describe(
      'The largest size of a signature bundle, in bytes. Default 33554432 (32 MiB). A program can lower it, but not raise it.',
    ),
  receipts: z
    .union([z.enum(['never', 'allow']), z.strictObject({ maxAge: durationSchema })])
    .optional()
    .describe(
      'never: every load hashes (default). Else a model whose files did not change since they were last hashed here, at most maxAge ago (allow: 7d), is not hashed again.',
    ),
}

export function compileFileRequirements({
  files,
  unsigned,
  isolation,
  maxBundleBytes,
  receipts,
}: z.infer<z.ZodObject<typeof fileRequirementFields>>): FileRequirements {
  return withoutPrototype({
    files: files ?? 'all',
    ...(unsigned === undefined ? {} : { unsigned: anyOf(unsigned) }),
    ...(isolation === undefined ? {} : { isolation }),
    ...(maxBundleBytes === undefined ? {} : { maxBundleBytes }),
    ...(receipts === undefined || receipts === 'never' ? {} : compileReceipts(receipts)),
  })
}

/** How old a receipt may be where the policy does not say. */
const RECEIPT_AGE = '7d'

function compileReceipts(receipts: 'allow' | { maxAge: string }): Pick<FileRequirements, 'receipts'> {
  const maxAge = parseDuration(receipts === 'allow' ? RECEIPT_AGE : receipts.maxAge)
  return maxAge ? { receipts: { maxAge } } : {}
}
