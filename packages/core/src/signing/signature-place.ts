import { constants } from 'node:fs'
import { access, lstat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { isBundle } from '../bundle/read-bundle.ts'
import { ModelSealError, shown } from '../errors.ts'
import { permitsWriting } from '../source/private/access-denied.ts'
import { writeFailed, type WholeFile } from '../source/write-file.ts'

/** A signature bundle, as a file to write. */
export const BUNDLE_FILE: WholeFile = { what: 'bundle', failed: 'SIGNATURE_WRITE_FAILED', mode: 0o644 }

/**
 * Refuses a place that cannot be written to, before any work is done for what should go there.
 *
 * @throws {@link ModelSealError} `SIGNATURE_WRITE_FAILED`; `SIGNATURE_EXISTS` where a file is that is no bundle
 */
export async function checkSignaturePlace(path: string): Promise<void> {
  try {
    await access(dirname(path), constants.W_OK | constants.X_OK)
    checkPermission(dirname(path))
  } catch (cause) {
    throw writeFailed(path, BUNDLE_FILE, cause)
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
