import { readdir } from 'node:fs/promises'
import { errno, unreadable } from '../../source/file-errors.ts'

/**
 * The names in a directory of a journal. One that does not exist is empty. Of one that cannot be read, nobody knows what is missing.
 *
 * @throws {@link ModelSealError} `FILE_UNREADABLE`
 */
export async function listedNames(directory: string): Promise<string[]> {
  try {
    return await readdir(directory)
  } catch (error) {
    if (errno(error) === 'ENOENT') return []
    throw unreadable(directory, 'directory', error)
  }
}
