import { canonicalJson } from '../../schema/canonical-json.ts'
import * as s from '../../schema/define.ts'
import { parsedBy } from './fault.ts'
import { segmentIdSchema, sha256Schema } from './record.ts'

/** Beside `journal.json`, once the journal was sent to a collector. */
export const COLLECTED_FILE = 'collected.json'

/** Some 700,000 segments. */
export const MAX_COLLECTED_FILE = 32 * 1024 * 1024

const collectedSchema = s.strictObject({
  format: s.literal(1),
  url: s.string().max(4_096),
  size: s.int().min(0).describe('Number of commits.'),
  root: sha256Schema.describe('Root of the tree over their leaves.'),
  segments: s.record(segmentIdSchema, s.int().min(0)).describe('Bytes of each segment that is still here.'),
})

/** What a collector confirmed that it has stored. */
export type Collected = s.Infer<typeof collectedSchema>

export function writeCollected(collected: Collected): string {
  return `${canonicalJson(collected)}\n`
}

export function readCollected(text: string): { collected: Collected } | { fault: string } {
  const read = parsedBy(collectedSchema, text)
  return 'value' in read ? { collected: read.value } : read
}
