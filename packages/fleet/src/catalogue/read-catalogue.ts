import { opendirSync, statSync } from 'node:fs'
import { open, type FileHandle } from 'node:fs/promises'
import { dirname, isAbsolute, join, resolve } from 'node:path'
import { codeOf, messageOf } from '@modelseal/core/any-realm'
import { ModelSealError, shown } from '@modelseal/core/errors'
import { isUrl, sourceFault } from './model-line.ts'

/** Longer than any path or key. */
const MAX_LINE = 8_192

/** Models that are signed or verified together. */
export interface Catalogue {
  /** Where results are kept unless another place is given: a directory beside the catalogue. */
  readonly place: string
  /** Absolute paths, and URLs, one after the other: they are never all in memory. */
  models(): AsyncGenerator<string>
}

/**
 * Opens a catalogue: a file with the path or URL of a model on each line, in which paths are relative to its directory and `#` begins a
 * comment line; or a directory whose subdirectories are models. Names that begin with a dot are no models.
 *
 * @throws {@link ModelSealError} `CATALOGUE_INVALID`
 */
export function openCatalogue(given: string): Catalogue {
  const path = resolve(given)
  const stat = statSync(path, { throwIfNoEntry: false })
  const place = join(dirname(path), '.modelseal-fleet')
  if (stat?.isDirectory()) return { place, models: () => subdirectories(path) }
  if (stat?.isFile()) return { place, models: () => lines(path) }
  throw new ModelSealError('CATALOGUE_INVALID', `Cannot read the catalogue ${shown(given)}: there is no such file.`, {
    file: path,
    expected: 'a file with a model on each line, or a directory of models',
  })
}

async function* subdirectories(path: string): AsyncGenerator<string> {
  try {
    // Synchronously, since for each directory there is a model to be hashed.
    const directory = opendirSync(path)
    try {
      for (let entry = directory.readSync(); entry; entry = directory.readSync()) {
        if (entry.isDirectory() && !entry.name.startsWith('.')) yield await Promise.resolve(join(path, entry.name))
      }
    } finally {
      directory.closeSync()
    }
  } catch (error) {
    throw unreadable(path, error)
  }
}

async function* lines(path: string): AsyncGenerator<string> {
  const file = await opened(path)
  try {
    let line = 0
    for await (const text of file.readLines()) {
      line += 1
      const model = text.trim()
      if (model === '' || model.startsWith('#')) continue
      const fault = model.length > MAX_LINE ? 'a line that is too long' : isUrl(model) ? sourceFault(model) : undefined
      if (fault !== undefined) throw invalidLine(path, line, fault)
      yield isUrl(model) || isAbsolute(model) ? model : resolve(dirname(path), model)
    }
  } finally {
    await file.close().catch(() => undefined)
  }
}

async function opened(path: string): Promise<FileHandle> {
  try {
    return await open(path)
  } catch (error) {
    throw unreadable(path, error)
  }
}

function invalidLine(file: string, line: number, found: string): ModelSealError {
  return new ModelSealError('CATALOGUE_INVALID', `Cannot use line ${line} of the catalogue ${shown(file)}.`, {
    file,
    line,
    expected: 'the path of a model, or its URL without a password or a query',
    found,
  })
}

function unreadable(file: string, cause: unknown): unknown {
  if (cause instanceof ModelSealError || codeOf(cause) === undefined) return cause
  return new ModelSealError('CATALOGUE_INVALID', `Cannot read the catalogue ${shown(file)}: ${messageOf(cause)}.`, {
    file,
    cause,
  })
}
