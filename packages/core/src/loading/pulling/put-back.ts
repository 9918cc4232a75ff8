import { lstatSync, readlinkSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { ModelSealError, shown } from '../../errors.ts'

/**
 * The name of an entry in a directory that is not what is left of a copied one; undefined if there is none.
 *
 * @param whole the copy, which has the same times
 */
export async function foreignIn(directory: string, whole: string): Promise<string | undefined> {
  for (const name of await readdir(directory)) {
    const [path, original] = [join(directory, name), join(whole, name)]
    if (!isSame(path, original)) return name
    if (!lstatSync(path).isDirectory()) continue
    const foreign = await foreignIn(path, original)
    if (foreign !== undefined) return `${name}/${foreign}`
  }
  return undefined
}

/** By how much the time of a copy can differ: it is rounded to milliseconds, in floating point. */
const COPIED_MS = 2

function isSame(path: string, copy: string): boolean {
  const [one, other] = [lstatSync(path), lstatSync(copy, { throwIfNoEntry: false })]
  if (one.isDirectory()) return other?.isDirectory() === true
  if (one.isSymbolicLink()) return other?.isSymbolicLink() === true && readlinkSync(path) === readlinkSync(copy)
  if (!one.isFile() || other?.isFile() !== true) return false
  return one.size === other.size && Math.abs(one.mtimeMs - other.mtimeMs) < COPIED_MS
}

/**
 * Something appeared in the destination while the old model was aside, and would be lost if that were put back.
 *
 * @param kept where the old model is
 */
export function inTheWay(path: string, name: string, kept: string): ModelSealError {
  return new ModelSealError(
    'DESTINATION_REFUSED',
    `Cannot put the old model back into ${shown(path)}: something else is there now.`,
    {
      file: path,
      expected: 'only what the interrupted pull left there',
      found: `${shown(name)}, which somebody else has put there since`,
      hint: `The old model is in ${shown(kept)}. Move what is in its place elsewhere, and pull again.`,
    },
  )
}
