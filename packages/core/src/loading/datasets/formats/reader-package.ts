import { messageOf } from '../../../any-realm.ts'
import { ModelSealError, shown } from '../../../errors.ts'
import { errno } from '../../../source/file-errors.ts'
import { optionalPackage } from '../../../source/optional-package.ts'
import { denialHint } from '../../../source/private/access-denied.ts'

/**
 * Loads the optional package that reads a format of files.
 *
 * @param file that it is to read
 * @param version major version
 * @throws {@link ModelSealError} `DATASET_READER_UNAVAILABLE`
 */
export function readerPackage(file: string, name: string, version: number): unknown {
  try {
    return optionalPackage(name)
  } catch (cause) {
    const isMissing = errno(cause) === 'MODULE_NOT_FOUND' && messageOf(cause).includes(`'${name}'`)
    const command = `npm install ${name}@${version}`
    throw new ModelSealError(
      'DATASET_READER_UNAVAILABLE',
      `Cannot read the file ${shown(file)}: the optional package ${shown(name)} ${isMissing ? 'is not installed' : 'is installed, but cannot be loaded'}.`,
      {
        file,
        found: isMissing ? undefined : shown(messageOf(cause)),
        hint: isMissing
          ? `Run "${command}", beside @modelseal/core or, if the program is bundled, beside the bundle.`
          : (denialHint(cause) ?? `Install it again: "${command}".`),
        cause,
      },
    )
  }
}

/** What was wrong with the content of a file. */
interface Malformed {
  expected?: string | undefined
  found?: string | undefined
  /** Counted from 1. */
  line?: number | undefined
  hint?: string | undefined
  cause?: unknown
}

/** The refusal of a file whose content is as it was signed, but not what its format prescribes. */
export function malformed(file: string, format: string, details: Malformed): ModelSealError {
  return new ModelSealError('DATASET_MALFORMED', `Cannot read the file ${shown(file)} as ${format}.`, {
    file,
    ...details,
  })
}
