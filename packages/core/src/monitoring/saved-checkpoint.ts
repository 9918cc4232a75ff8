import { absolutePath } from '../absolute-path.ts'
import { checkedText, checkObject } from '../kinds.ts'
import { MAX_CHECKPOINT_BYTES } from '../merkle/checkpoint.ts'
import { readSmallFile, type SmallFile } from '../source/read-small-file.ts'
import { writeFileWhole } from '../source/write-file.ts'
import { propertyOf } from '../any-realm.ts'
import type { TrustedLog } from './chosen-log.ts'
import { verifyCheckpoint, type LogCheckpoint } from './log-checkpoint.ts'

const CHECKPOINT_FILE: SmallFile = {
  what: 'checkpoint',
  maxBytes: MAX_CHECKPOINT_BYTES,
  hint: 'Give the path of a checkpoint that an earlier run saved.',
}

/**
 * Reads a saved checkpoint, and verifies again that the log signed it.
 *
 * @throws {@link ModelSealError} `LOG_CHECKPOINT_INVALID`, `FILE_*`
 */
export async function readCheckpoint(path: string, log: TrustedLog): Promise<LogCheckpoint> {
  return verifyCheckpoint((await readSmallFile(path, CHECKPOINT_FILE)).toString(), log, path)
}

/**
 * Saves the checkpoint of a run of `monitorLog`, for the next run to start from. The file is replaced as a whole: an error leaves
 * the old one in place.
 *
 * @throws {@link ModelSealError} `FILE_WRITE_FAILED`, `INVALID_ARGUMENT`
 * @example
 * ```ts
 * await saveCheckpoint('log.checkpoint', result.checkpoint)
 * ```
 */
export async function saveCheckpoint(path: string, checkpoint: Pick<LogCheckpoint, 'note'>): Promise<void> {
  const file = absolutePath(path)
  checkObject(checkpoint, 'the checkpoint', 'the checkpoint of a result of monitorLog', () => true)
  const note = checkedText(propertyOf(checkpoint, 'note'), 'the note of the checkpoint')
  await writeFileWhole(file, Buffer.from(note), { what: 'checkpoint', failed: 'FILE_WRITE_FAILED', mode: 0o644 })
}
