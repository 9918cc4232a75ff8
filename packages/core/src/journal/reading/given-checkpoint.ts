import { ModelSealError, shown } from '../../errors.ts'
import { MAX_CHECKPOINT_BYTES, parseCheckpoint, type Checkpoint } from '../../merkle/checkpoint.ts'
import { isNoteSignedBy } from '../../merkle/signed-note.ts'
import { readSmallFile } from '../../source/read-small-file.ts'
import type { OpenedJournal } from './open-journal.ts'

/**
 * Reads a checkpoint that left the host.
 *
 * @throws {@link ModelSealError} `JOURNAL_INVALID` if it is not one of this journal, signed by its key
 */
export async function checkpointFrom(path: string, { origin, key }: OpenedJournal): Promise<Checkpoint> {
  const bytes = await readSmallFile(path, { what: 'checkpoint', maxBytes: MAX_CHECKPOINT_BYTES })
  // Whoever copies a note by hand easily adds a line, or loses the last newline. No signature covers the end.
  const { checkpoint, note } = parseCheckpoint(`${bytes.toString().trimEnd()}\n`) ?? {}
  const refused = (reason: string, details: { expected?: string; found?: string } = {}) =>
    new ModelSealError('JOURNAL_INVALID', `Cannot compare the journal with the checkpoint ${shown(path)}: ${reason}.`, {
      file: path,
      ...details,
    })
  if (!checkpoint || !note)
    throw refused('it is not a checkpoint', { expected: 'a C2SP signed note, such as the "note" of a commit' })
  if (checkpoint.origin !== origin)
    throw refused('it is that of another journal', { expected: shown(origin), found: shown(checkpoint.origin) })
  if (!isNoteSignedBy(note, origin, key)) throw refused('it is not signed by the key of the journal')
  return checkpoint
}
