import { constants } from 'node:fs'
import { access, lstat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { isBundle } from '../bundle/read-bundle.ts'
import { ModelSealError, shown } from '../errors.ts'
import { permitsWriting } from '../source/private/access-denied.ts'
import { writeFailed, type WholeFile } from '../source/write-file.ts'

/** A signature bundle, as a file to write. */
export const BUNDLE_TO_WRITE: WholeFile = { what: 'bundle', failed: 'SIGNATURE_WRITE_FAILED', mode: 0o644 }

/**
 * Refuses a path that cannot be written to, before any work is done.
 *
 * @throws {@link ModelSealError} `SIGNATURE_WRITE_FAILED`; `SIGNATURE_EXISTS` if the file there is not a bundle
 */
export async function checkSignaturePlace(path: string): Promise<void> {
  try {
    await access(dirname(path), constants.W_OK | constants.X_OK)
    checkPermission(dirname(path))
  } catch (cause) {
    throw writeFailed(path, BUNDLE_TO_WRITE, cause)
  }
  const there = await lstat(path).catch(() => undefined)
  // Links are replaced, and mktemp creates empty files.
  if (!there || there.isSymbolicLink() || (there.isFile() && there.size === 0) || (await isBundle(path))) return
  throw new ModelSealError(
    'SIGNATURE_EXISTS',
    `Cannot write the signature to ${shown(path)}: the file there is not a signature bundle.`,
    {
      file: path,
      hint: 'Use another path for the signature, or remove the file first.',
    },
  )
}

/** The temporary file has a random name, so the directory must be writable. */
function checkPermission(directory: string): void {
  if (!permitsWriting(join(directory, 'a')))
    throw Object.assign(new Error('Node.js denies writing.'), {
      code: 'ERR_ACCESS_DENIED',
      permission: 'FileSystemWrite',
      resource: directory,
    })
}
