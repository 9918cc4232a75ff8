import { statSync } from 'node:fs'
import { ModelSealError, shown } from '../../errors.ts'

/**
 * Refuses a file of secrets that other users can read or change. A missing file is reported by whoever reads it.
 *
 * @throws {@link ModelSealError} `INVALID_ARGUMENT`
 */
export function checkPrivateFile(path: string, what: string): void {
  const stat = statSync(path, { throwIfNoEntry: false })
  const user = process.geteuid?.()
  if (!stat || user === undefined) return
  const mode = stat.mode & 0o777
  if ((mode & 0o077) === 0 && (stat.uid === user || stat.uid === 0)) return
  throw new ModelSealError(
    'INVALID_ARGUMENT',
    `Cannot use the ${what} ${shown(path)}: other users could read or change it.`,
    {
      file: path,
      expected: 'a file of this user or root with the mode 0600',
      found: `the mode ${mode.toString(8).padStart(4, '0')} and the user ${stat.uid}`,
    },
  )
}
