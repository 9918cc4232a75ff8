import { ModelSealError, shown } from '../../../errors.ts'
import { MAX_CHECKPOINT_BYTES, parseCheckpoint, type Checkpoint } from '../../../merkle/checkpoint.ts'
import { cosignedAt, type Cosigner } from '../../../merkle/cosignature.ts'
import { isNoteSignedBy, type SignedNote } from '../../../merkle/signed-note.ts'
import { readSmallFile } from '../../../source/read-small-file.ts'
import type { OpenedJournal } from '../open-journal.ts'

/** A checkpoint that left the host. */
export interface GivenCheckpoint extends Checkpoint {
  note: SignedNote
  /** When the witness that the caller named saw it as the newest one. */
  cosigned: { by: string; at: Date } | undefined
}

/**
 * Reads a checkpoint that left the host.
 *
 * @param witness who must have cosigned it, if anyone
 * @throws {@link ModelSealError} `JOURNAL_INVALID` if it is not one of this journal, signed by its key and cosigned by the witness; and what
 * reading the file throws
 */
export async function checkpointFrom(
  path: string,
  { origin, key }: OpenedJournal,
  witness?: Cosigner,
): Promise<GivenCheckpoint> {
  const { checkpoint, note } = await readCheckpointFile(path)
  if (checkpoint.origin !== origin)
    throw refused(path, 'it is that of another journal', { expected: shown(origin), found: shown(checkpoint.origin) })
  if (!isNoteSignedBy(note, origin, key)) throw refused(path, 'it is not signed by the key of the journal')
  const at = witness && cosignedAt(note, witness)
  if (witness && !at)
    throw refused(path, 'it is not cosigned by the witness', {
      expected: `a cosignature by ${shown(witness.name)} with the given key`,
      found: note.signatures.map(({ name }) => shown(name)).join(', '),
    })
  return { ...checkpoint, note, cosigned: witness && at && { by: witness.name, at } }
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
