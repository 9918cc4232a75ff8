import { ModelSealError, shown } from '../errors.ts'
import { parseCheckpoint } from '../merkle/checkpoint.ts'
import type { TreeHead } from '../merkle/proofs.ts'
import { isNoteSignedBy } from '../merkle/signed-note.ts'
import type { TrustedLog } from './chosen-log.ts'

/** A checkpoint whose signature by its log was verified. */
export interface LogCheckpoint extends TreeHead {
  origin: string
  /** As the log signed it. */
  note: string
}

/**
 * Verifies that a log signed a checkpoint.
 *
 * @param file of the checkpoint, if it was saved
 * @throws {@link ModelSealError} `LOG_CHECKPOINT_INVALID`
 */
export function verifyCheckpoint(text: string, { url, key, names }: TrustedLog, file?: string): LogCheckpoint {
  const fault = (reason: string, expected: string, found: string) =>
    new ModelSealError('LOG_CHECKPOINT_INVALID', `Cannot trust the checkpoint of the log ${shown(url)}: ${reason}.`, {
      file,
      expected,
      found,
      hint:
        file === undefined
          ? 'Check the URL of the log, and that the trusted root is current.'
          : 'Give a checkpoint of this log that an earlier run saved.',
    })
  const { checkpoint, note } = parseCheckpoint(text) ?? {}
  if (!checkpoint || !note) throw fault('it is malformed', 'a signed note by a log', shown(text))
  const { origin } = checkpoint
  if (!names.includes(origin)) throw fault('it is by another log', names.map(shown).join(' or '), shown(origin))
  if (!isNoteSignedBy(note, origin, key)) {
    const signers = note.signatures.map(({ name }) => shown(name)).join(', ')
    throw fault('the log did not sign it', 'a signature by the key in the trusted root', `signatures of ${signers}`)
  }
  return { ...checkpoint, note: text }
}
