import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { access, lstat, open, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { isBundle } from '../bundle/read-bundle.ts'
import { ModelSealError, shown } from '../errors.ts'
import { denialHint, permitsWriting } from '../source/private/access-denied.ts'
import { errno } from '../source/read-small-file.ts'

/** What is written: for the message where it cannot be. */
export interface WholeFile {
  what: string
  failed: 'SIGNATURE_WRITE_FAILED' | 'FILE_WRITE_FAILED'
  mode: number
}

const BUNDLE: WholeFile = { what: 'bundle', failed: 'SIGNATURE_WRITE_FAILED', mode: 0o644 }

/**
 * Writes a file whole or not at all: to a temporary file beside its place, synced, then renamed. A
 * symbolic link at that place is replaced, never followed.
 *
 * @throws {@link ModelSealError} `SIGNATURE_WRITE_FAILED`, or the given code
 */
export async function writeFileWhole(path: string, bytes: Uint8Array, file: WholeFile = BUNDLE): Promise<void> {
  const directory = dirname(path)
  const temporary = join(directory, `.${basename(path)}.${randomBytes(6).toString('hex')}.tmp`)
  try {
    const handle = await open(temporary, 'wx', file.mode)
    try {
      await handle.writeFile(bytes)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(temporary, path)
    await syncDirectory(directory)
  } catch (cause) {
    await rm(temporary, { force: true }).catch(() => {})
    throw writeFailed(path, file, cause)
  }
}

/**
 * Refuses a place that cannot be written to, before any work is done for what should go there.
 *
 * @throws {@link ModelSealError} `SIGNATURE_WRITE_FAILED`; `SIGNATURE_EXISTS` where a file is that is no bundle
 */
export async function checkPlace(path: string): Promise<void> {
  try {
    await access(dirname(path), constants.W_OK | constants.X_OK)
    checkPermission(dirname(path))
  } catch (cause) {
    throw writeFailed(path, BUNDLE, cause)
  }
  const there = await lstat(path).catch(() => undefined)
  // A link is replaced, and an empty file is what mktemp makes.
  if (!there || there.isSymbolicLink() || (there.isFile() && there.size === 0) || (await isBundle(path))) return
  throw new ModelSealError('SIGNATURE_EXISTS', `At ${shown(path)} there is something that is no signature bundle.`, {
    file: path,
    hint: 'It is not overwritten: give another path for the signature, or remove it first.',
  })
}

/** The file that is written first has a name of its own. */
function checkPermission(directory: string): void {
  if (!permitsWriting(join(directory, 'a')))
    throw Object.assign(new Error('Node.js denies writing.'), {
      code: 'ERR_ACCESS_DENIED',
      permission: 'FileSystemWrite',
      resource: directory,
    })
}

function writeFailed(path: string, { what, failed }: WholeFile, cause: unknown): ModelSealError {
  return new ModelSealError(failed, `The ${what} cannot be written to ${shown(path)} (${errno(cause)}).`, {
    file: path,
    hint:
      denialHint(cause, dirname(path)) ??
      'Check that the directory exists, that this user may write to it, and that the disk has room.',
    cause,
  })
}

/** So that the new name survives a power cut; not every platform can. */
async function syncDirectory(path: string): Promise<void> {
  try {
    const handle = await open(path, 'r')
    await handle.sync().finally(() => handle.close())
  } catch {
    // The content is synced; the name will be, in the file system's own time.
  }
}
