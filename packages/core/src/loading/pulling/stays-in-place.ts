import { lstatSync, readFileSync, statSync } from 'node:fs'
import { access, constants } from 'node:fs/promises'
import { dirname } from 'node:path'
import { procFile } from '../../source/proc-file.ts'

/**
 * True for a directory that cannot be renamed: a mount point, or one in a directory that this user cannot write to.
 *
 * @param path absolute, without links
 */
export async function staysInPlace(path: string): Promise<boolean> {
  const stat = lstatSync(path, { throwIfNoEntry: false })
  if (!stat) return false
  const above = dirname(path)
  if (above === path || statSync(above).dev !== stat.dev || isMountPoint(path)) return true
  return access(above, constants.W_OK | constants.X_OK).then(
    () => false,
    () => true,
  )
}

/** A mount of the same file system elsewhere has the same device. */
function isMountPoint(path: string): boolean {
  if (process.platform !== 'linux') return false
  try {
    const mounts = readFileSync(procFile('self/mountinfo'), 'utf8').split('\n')
    const escaped = path.replace(/[\s\\]/g, (char) => `\\${char.charCodeAt(0).toString(8).padStart(3, '0')}`)
    return mounts.some((line) => line.split(' ')[4] === escaped)
  } catch {
    return false
  }
}
