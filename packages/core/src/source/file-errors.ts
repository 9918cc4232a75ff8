import { constants } from 'node:os'
import { codeOf, messageOf } from '../any-realm.ts'
import { ModelSealError, shown } from '../errors.ts'
import { denialHint } from './private/access-denied.ts'

/** Wraps an operating system error about reading a file. */
export function unreadable(path: string, what: string, cause: unknown): ModelSealError {
  return new ModelSealError('FILE_UNREADABLE', `Cannot read the ${what} ${shown(path)}: ${errno(cause)}.`, {
    file: path,
    hint: denialHint(cause) ?? 'Check that the file exists and that this user may read it.',
    cause,
  })
}

/** The code of an operating system error, such as `ENOENT`. */
export function errno(error: unknown): string {
  return systemCode(error) ?? messageOf(error)
}

/** The code of an operating system error, also of one for which Node.js has no name, such as EDQUOT on Linux. */
export function systemCode(error: unknown): string | undefined {
  const code = codeOf(error)
  const [, number] = /^Unknown system error -(\d+)$/.exec(code ?? '') ?? []
  if (number === undefined) return code
  return Object.entries(constants.errno).find(([, value]) => value === Number(number))?.[0] ?? code
}

/** An error like one from the operating system. */
export function systemError(code: string): Error {
  return Object.assign(new Error(code), { code })
}

/** True for an operating system error that means that nothing exists at the path. */
export function isGone(error: unknown): boolean {
  return errno(error) === 'ENOENT' || errno(error) === 'ENOTDIR'
}
