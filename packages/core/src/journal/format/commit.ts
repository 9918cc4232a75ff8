import { canonicalJson } from '../../schema/canonical-json.ts'
import * as s from '../../schema/define.ts'
import { parsedBy } from './fault.ts'
import { PACKED } from './names.ts'
import { segmentIdSchema, sha256Schema, timeSchema } from './record.ts'

/** Longer than any commit: 64 hashes and a note with one signature. */
export const MAX_COMMIT = 16 * 1024
/** Longer than any file of packed commits. */
export const MAX_PACK = MAX_COMMIT * PACKED

const count = s.int().min(0)
const yes = s.boolean().refine((value) => value, 'expected true')

const leafSchema = s.strictObject({
  segment: segmentIdSchema,
  size: count.describe('Number of records.'),
  root: sha256Schema.describe('Root of the tree of the lines.'),
  bytes: count,
  time: timeSchema,
  end: yes.optional().describe('No records follow.'),
  retired: yes.optional().describe('The segment was deleted, as the settings say.'),
})

const commitSchema = s.strictObject({
  index: count,
  leaf: leafSchema,
  frontier: s
    .array(sha256Schema)
    .min(1)
    .max(53)
    .describe('Roots of the complete subtrees over all leaves, largest first.'),
  note: s.string().max(4_096).describe('C2SP checkpoint over all leaves.'),
})

/** The head of a segment: the state that a commit records. */
export type SegmentHead = s.Infer<typeof leafSchema>
/** One entry of the tree over the heads of all segments. */
export type Commit = s.Infer<typeof commitSchema>

/** What is hashed as the leaf of a commit. */
export function leafBytes(head: SegmentHead): Buffer {
  return Buffer.from(canonicalJson(head))
}

/** As it is in a file of one commit, and as a line of a file of packed commits. */
export function writeCommit(commit: Commit): string {
  return `${canonicalJson(commit)}\n`
}

/** @param text with the line feed */
export function readCommit(text: string): { commit: Commit } | { fault: string } {
  if (text.length > MAX_COMMIT) return { fault: `it has more than ${MAX_COMMIT} characters` }
  const read = parsedBy(commitSchema, text)
  if (!('value' in read)) return read
  return writeCommit(read.value) === text ? { commit: read.value } : { fault: 'it is not canonical JSON' }
}
