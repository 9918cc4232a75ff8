import { existsSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { isBundle } from '../../bundle/read-bundle.ts'
import { ModelSealError, shown } from '../../errors.ts'
import { mayBeBundle } from '../../signing/models/model-to-sign.ts'

/**
 * @param harmless names that do not count
 * @throws {@link ModelSealError} `DESTINATION_REFUSED` for a directory that is neither empty nor a model
 */
export async function checkReplaceable(path: string, harmless: ReadonlySet<string>): Promise<void> {
  if (!existsSync(path)) return
  const names = (await readdir(path)).filter((name) => !harmless.has(name))
  if (names.length === 0) return
  // Signatures leave it out, and it may be the only copy of what is in it.
  if (names.includes('.git')) throw destinationRefused(path, 'a Git repository, which would be removed')
  for (const name of names.filter((each) => mayBeBundle(each) || each.endsWith('.sig')).slice(0, MOST_BUNDLES))
    if (await isBundle(join(path, name))) return
  if (names.length === 1 && names[0] === '.cache' && (await readdir(join(path, '.cache'))).join() === 'huggingface')
    return
  throw destinationRefused(path, 'a directory that is not empty and has no signature bundle')
}

/** A directory may have any number of files with such a name. */
const MOST_BUNDLES = 32

const REPLACE_HINT =
  'Give another directory. To replace the directory with everything in it, use --force, or { force: true }.'

export function destinationRefused(path: string, found: string, hint = REPLACE_HINT): ModelSealError {
  return new ModelSealError('DESTINATION_REFUSED', `Cannot pull a model to ${shown(path)}: something else is there.`, {
    file: path,
    expected: 'a new directory, an empty one, or a signed model, which is replaced',
    found,
    hint,
  })
}
