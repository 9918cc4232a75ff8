import * as s from '../../schema/define.ts'
import { LARGEST_BUNDLE_BYTES } from '../../bundle/bundle.ts'
import { withoutPrototype } from '../../snapshot.ts'
import { anyOf } from '../matching/glob.ts'
import { parseDuration, type Duration } from '../schema/duration.ts'
import { durationSchema, nameGlobsSchema } from '../schema/text.ts'
import { ISOLATION_LEVELS } from '../terms.ts'

/** What a rule requires of the load itself, apart from signatures. */
export interface FileRequirements {
  files: 'all' | 'loaded' | 'ignore-unsigned'
  /** True if the rule itself says `all`; absent if that is only the default. */
  saysAll?: true
  /** Matches the names of files that may be unsigned in a local model; absent if every file must be signed. */
  unsigned?: (name: string) => boolean
  isolation?: readonly string[]
  /** Largest size of a bundle; absent if the option of the program or the default applies. */
  maxBundleBytes?: number
  /** True if the model must be named by what never changes, such as a commit; absent if a branch or tag may name it. */
  pinned?: true
  /** Absent if every load hashes the files. */
  receipts?: { maxAge: Duration }
}

/** Their fields under `require`. */
export const fileRequirementFields = {
  files: s
    .oneOf(['all', 'loaded', 'ignore-unsigned'])
    .optional()
    .describe(
      'all: every file is checked (default, except for datasets). loaded: only the files that are read (default for datasets). ignore-unsigned: there may be unsigned files beside the signed ones.',
    ),
  unsigned: nameGlobsSchema
    .optional()
    .describe(
      'Globs for names in the model that may be unsigned, with everything below them. These files are not handed out. Signed files are checked nevertheless.',
    ),
  isolation: s.array(s.oneOf(ISOLATION_LEVELS)).min(1).optional().describe('Isolation levels that are allowed.'),
  maxBundleBytes: s
    .int()
    .min(1)
    .max(LARGEST_BUNDLE_BYTES)
    .optional()
    .describe(
      'The largest size of a signature bundle, in bytes. Default 33554432 (32 MiB). A program can lower it, but not raise it.',
    ),
  pinned: s
    .boolean()
    .optional()
    .describe('A model on a hub or registry must be named by its commit or digest, not by a branch or tag.'),
  receipts: s
    .union([s.oneOf(['never', 'allow']), s.strictObject({ maxAge: durationSchema })])
    .optional()
    .describe(
      'never: every load hashes the files (default). Otherwise, a model is not hashed again if its files have not changed since they were hashed on this machine, at most maxAge ago (allow: 7d).',
    ),
}

export function compileFileRequirements({
  files,
  unsigned,
  isolation,
  maxBundleBytes,
  pinned,
  receipts,
}: s.ObjectOf<typeof fileRequirementFields>): FileRequirements {
  return withoutPrototype({
    files: files ?? 'all',
    ...(files === 'all' ? { saysAll: true } : {}),
    ...(unsigned === undefined ? {} : { unsigned: anyOf(unsigned) }),
    ...(isolation === undefined ? {} : { isolation }),
    ...(maxBundleBytes === undefined ? {} : { maxBundleBytes }),
    ...(pinned ? { pinned } : {}),
    ...(receipts === undefined || receipts === 'never' ? {} : compileReceipts(receipts)),
  })
}

/** What a rule requires of the files of a dataset: by default, only those that are read are checked, since few programs read all. */
export function ofDataset(require: FileRequirements): FileRequirements {
  return require.files !== 'all' || require.saysAll
    ? require
    : withoutPrototype({ ...require, files: 'loaded' as const })
}

/** The default maximum age of a receipt. */
const RECEIPT_AGE = '7d'

function compileReceipts(receipts: 'allow' | { maxAge: string }): Pick<FileRequirements, 'receipts'> {
  const maxAge = parseDuration(receipts === 'allow' ? RECEIPT_AGE : receipts.maxAge)
  return maxAge ? { receipts: { maxAge } } : {}
}
