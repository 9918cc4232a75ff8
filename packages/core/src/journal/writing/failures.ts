import { ModelSealError, shown } from '../../errors.ts'
import { errno } from '../../source/file-errors.ts'
import { denialHint } from '../../source/private/access-denied.ts'

/** A journal that cannot be used as it is. */
export function invalidJournal(
  directory: string,
  reason: string,
  details: { expected?: string; found?: string; hint?: string; cause?: unknown } = {},
): ModelSealError {
  return new ModelSealError('JOURNAL_INVALID', `Cannot use the journal ${shown(directory)}: ${reason}.`, {
    file: directory,
    ...details,
  })
}

/** A journal that cannot be written at the moment. */
export function failedJournal(directory: string, cause: unknown): ModelSealError {
  if (cause instanceof ModelSealError && cause.code.startsWith('JOURNAL_')) return cause
  return new ModelSealError('JOURNAL_FAILED', `Cannot write the journal ${shown(directory)}: ${errno(cause)}.`, {
    file: directory,
    hint: denialHint(cause, directory) ?? HINTS[errno(cause)],
    cause,
  })
}

const HINTS: Readonly<Record<string, string>> = {
  ENOSPC: 'Free space on its file system, or set "retention" so that old segments are deleted.',
  EDQUOT: 'Remove files of this user, whose disk quota is used up.',
  EFBIG: 'Raise the maximum file size of this process (ulimit -f).',
  EROFS: 'Use a directory on a file system that is not read-only.',
  EACCES: 'Let this user write to the directory.',
  EPERM: 'Let this user write to the directory.',
}
