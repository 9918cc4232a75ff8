import { codeOf, messageOf } from '../any-realm.ts'
import { ModelSealError, shown } from '../errors.ts'
import { denialHint } from './private/access-denied.ts'

/** The typed form of an operating system's error about a file. */
export function unreadable(path: string, what: string, cause: unknown): ModelSealError {
  return new ModelSealError('FILE_UNREADABLE', `The ${what} ${shown(path)} cannot be read (${errno(cause)}).`, {
    file: path,
    hint: denialHint(cause) ?? 'Check that the file exists and that this user may read it.',
    cause,
  })
}

/** The name of an operating system's error, such as `ENOENT`. */
export function errno(error: unknown): string {
  return codeOf(error) ?? messageOf(error)
}

/** An error as the operating system would report it. */
export function systemError(code: string): Error {
  return Object.assign(new Error(code), { code })
}

/** True for an operating system's error that says that nothing is there. */
export function isGone(error: unknown): boolean {
  return errno(error) === 'ENOENT' || errno(error) === 'ENOTDIR'
}
