import { randomBytes } from 'node:crypto'
import { open, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { ModelSealError, shown } from '../errors.ts'
import { denialHint } from './private/access-denied.ts'
import { errno } from './file-errors.ts'

/** What is written, for error messages. */
export interface WholeFile {
  what: string
  failed: 'SIGNATURE_WRITE_FAILED' | 'FILE_WRITE_FAILED'
  mode: number
  /** True if a power cut may lose or empty the file, as with records that can be made again. Default: false. */
  mayBeLost?: boolean
  /** Called with the path of the complete temporary file. False leaves what is there. */
  mayReplace?: (temporary: string) => Promise<boolean>
}

/**
 * Writes a file completely or not at all: to a temporary file in the same directory, which is synced and then renamed.
 * A symbolic link at the path is replaced, never followed.
 *
 * @returns false if `mayReplace` did not allow it
 * @throws {@link ModelSealError} with the code in `file`
 */
export async function writeFileWhole(path: string, content: Uint8Array | Writing, file: WholeFile): Promise<boolean> {
  const directory = dirname(path)
  const temporary = join(directory, `.${basename(path)}.${randomBytes(6).toString('hex')}.tmp`)
  try {
    const handle = await open(temporary, 'wx', file.mode)
    try {
      await (typeof content === 'function' ? content((text) => handle.writeFile(text)) : handle.writeFile(content))
      if (!file.mayBeLost) await handle.sync()
    } finally {
      await handle.close()
    }
    if (file.mayReplace && !(await file.mayReplace(temporary))) {
      await rm(temporary)
      return false
    }
    await rename(temporary, path)
    if (!file.mayBeLost) await syncDirectory(directory)
    return true
  } catch (cause) {
    await rm(temporary, { force: true }).catch(() => {})
    // What produces the content may fail too.
    throw cause instanceof ModelSealError ? cause : writeFailed(path, file, cause)
  }
}

/** Writes content that is too large for memory, in pieces. */
type Writing = (write: (text: string) => Promise<void>) => Promise<void>

/** Wraps an operating system error about writing a file. */
export function writeFailed(path: string, { what, failed }: WholeFile, cause: unknown): ModelSealError {
  return new ModelSealError(failed, `Cannot write the ${what} to ${shown(path)}: ${errno(cause)}.`, {
    file: path,
    hint:
      denialHint(cause, dirname(path)) ??
      'Check that the directory exists, that this user may write to it, and that the disk is not full.',
    cause,
  })
}

/** Makes the new name survive a power cut. Not every platform supports this. */
async function syncDirectory(path: string): Promise<void> {
  try {
    const handle = await open(path, 'r')
    await handle.sync().finally(() => handle.close())
  } catch {
    // The content is synced; the file system will sync the name eventually.
  }
}
