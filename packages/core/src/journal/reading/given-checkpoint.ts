import { ModelSealError, shown } from '../../errors.ts'
import { MAX_CHECKPOINT_BYTES, parseCheckpoint, type Checkpoint } from '../../merkle/checkpoint.ts'
import { isNoteSignedBy, type SignedNote } from '../../merkle/signed-note.ts'
import { readSmallFile } from '../../source/read-small-file.ts'
import type { OpenedJournal } from './open-journal.ts'

/**
 * Reads a checkpoint that left the host.
 *
 * @throws {@link ModelSealError} `JOURNAL_INVALID` if it is not one of this journal, signed by its key
 */
export async function checkpointFrom(path: string, { origin, key }: OpenedJournal): Promise<Checkpoint> {
  const { checkpoint, note } = await readCheckpointFile(path)
  if (checkpoint.origin !== origin)
    throw refused(path, 'it is that of another journal', { expected: shown(origin), found: shown(checkpoint.origin) })
  if (!isNoteSignedBy(note, origin, key)) throw refused(path, 'it is not signed by the key of the journal')
  return checkpoint
}

/**
 * Reads a file with a checkpoint. Its signature is not verified.
 *
 * @throws {@link ModelSealError} `JOURNAL_INVALID`, and what reading the file throws
 */
export async function readCheckpointFile(path: string): Promise<{ checkpoint: Checkpoint; note: SignedNote }> {
  const bytes = await readSmallFile(path, { what: 'checkpoint', maxBytes: MAX_CHECKPOINT_BYTES })
  // Whoever copies a note by hand easily adds a line, or loses the last newline. No signature covers the end.
  const read = parseCheckpoint(`${bytes.toString().trimEnd()}\n`)
  if (read) return read
  throw refused(path, 'it is not a checkpoint', { expected: 'a C2SP signed note, such as the "note" of a commit' })
}

function refused(path: string, reason: string, details: { expected?: string; found?: string } = {}): ModelSealError {
  return new ModelSealError(
    'JOURNAL_INVALID',
    `Cannot compare the journal with the checkpoint ${shown(path)}: ${reason}.`,
    {
      file: path,
      ...details,
    },
  )
}
