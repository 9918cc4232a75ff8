import { constants, fstatSync, openSync, type BigIntStats } from 'node:fs'
import { ModelSealError, shown } from '../errors.ts'
import { identityOf, type FileIdentity, type FoundFile, type SourceFile } from './source-file.ts'
import { errno, READ_ONLY, unreadable } from './read-small-file.ts'

/**
 * Opens a listed file for reading, without following a link at its last component and without
 * waiting on a FIFO.
 *
 * @returns the descriptor, which is the caller's to close
 * @throws {@link ModelSealError} `FILE_CHANGED`, `FILE_UNREADABLE`
 */
export function openListed(file: FoundFile): number {
  try {
    return openSync(file.path, READ_ONLY | constants.O_NOFOLLOW)
  } catch (error) {
    if (errno(error) === 'ELOOP' || errno(error) === 'ENOENT') {
      throw changed(file, errno(error) === 'ELOOP' ? 'it became a symbolic link' : 'it disappeared')
    }
    throw unreadable(file.name, 'file', error)
  }
}

/**
 * Refuses a file that is not, or no longer, the one that was listed.
 *
 * @throws {@link ModelSealError} `FILE_CHANGED`
 */
export function checkUnchanged(file: SourceFile, fd: number): BigIntStats {
  const stat = fstatSync(fd, { bigint: true })
  if (!stat.isFile()) throw changed(file, 'it is no longer a regular file')
  const now = identityOf(stat)
  const was = file.identity
  checkField(file, 'dev', was.dev, now.dev)
  checkField(file, 'ino', was.ino, now.ino)
  checkField(file, 'size', was.size, now.size)
  checkField(file, 'mtimeNs', was.mtimeNs, now.mtimeNs)
  checkField(file, 'ctimeNs', was.ctimeNs, now.ctimeNs)
  return stat
}

function checkField<T extends bigint | number>(file: SourceFile, field: keyof FileIdentity, was: T, now: T): void {
  if (now !== was) throw changed(file, `its ${field} went from ${was} to ${now}`)
}

/** The refusal of a file that changed under our eyes. */
export function changed(file: FoundFile, how: string): ModelSealError {
  return new ModelSealError('FILE_CHANGED', `The file ${shown(file.name)} changed while it was read: ${how}.`, {
    file: file.name,
    hint: 'Make sure that nothing writes to the model while it is signed or loaded.',
  })
}
