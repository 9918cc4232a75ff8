import type { TreeHead } from './proofs.ts'
import { parseNote, type SignedNote } from './signed-note.ts'
import { HASH_BYTES } from './tree.ts'

/** Size and root of a log at one time (C2SP tlog-checkpoint). */
export interface Checkpoint extends TreeHead {
  /** The name of the log. */
  origin: string
}

/** Three lines, and signatures by the log and by witnesses. */
export const MAX_CHECKPOINT_BYTES = 16 * 1024

const DECIMAL = /^(0|[1-9]\d{0,15})$/

/**
 * Reads a checkpoint; the signatures are not verified.
 *
 * @returns undefined if this is not a checkpoint
 */
export function parseCheckpoint(text: string): { checkpoint: Checkpoint; note: SignedNote } | undefined {
  const note = text.length > MAX_CHECKPOINT_BYTES ? undefined : parseNote(text)
  if (!note) return undefined
  const lines = note.text.slice(0, -1).split('\n')
  const [origin = '', size = '', root = ''] = lines
  const hash = Buffer.from(root, 'base64')
  const isHash = hash.length === HASH_BYTES && hash.toString('base64') === root
  if (lines.includes('') || !DECIMAL.test(size) || !Number.isSafeInteger(Number(size)) || !isHash) return undefined
  return { checkpoint: { origin, size: Number(size), root: hash }, note }
}

/** The text to sign. */
export function checkpointText({ origin, size, root }: Checkpoint): string {
  return `${origin}\n${size}\n${root.toString('base64')}\n`
}
