import { isUtf8 } from 'node:buffer'
import { opendirSync, statSync, type Stats } from 'node:fs'
import { open, type FileHandle } from 'node:fs/promises'
import { dirname, isAbsolute, join, resolve, sep } from 'node:path'
import { codeOf, messageOf } from '@modelseal/core/any-realm'
import { sourceOf } from '@modelseal/core/distributed'
import { ModelSealError, shown } from '@modelseal/core/errors'
import { isAlmostUrl, isUrl, sourceFault } from './model-line.ts'

/** In bytes: longer than any path or key. */
const MAX_LINE = 8_192

/** Models that are signed or verified together. */
export interface Catalogue {
  /** Where results are kept unless another place is given: a directory beside the catalogue, or for one that is elsewhere, in the current directory. */
  readonly place: string
  /** Absolute paths, and URLs, one after the other: they are never all in memory. */
  models(signal?: AbortSignal): AsyncGenerator<string>
}

/**
 * Opens a catalogue: a file with the path or URL of a model on each line, in which paths are relative to its directory and `#` begins a
 * comment line; a directory whose subdirectories are models; or the URL of a prefix, such as `s3://BUCKET/PREFIX/`, below which models are. Names that
 * begin with a dot are no models.
 *
 * @throws {@link ModelSealError} `CATALOGUE_INVALID`, and for a URL, `SCHEME_UNKNOWN` and what its package throws
 */
export function openCatalogue(given: string): Catalogue {
  if (isUrl(given)) return { place: resolve('.modelseal-fleet'), models: modelsBelow(given) }
  const path = resolve(given)
  const stat = statOf(path)
  const place = join(dirname(path), '.modelseal-fleet')
  if (stat?.isDirectory()) return { place, models: () => atLeastOne(path, subdirectories(path)) }
  if (stat?.isFile()) return { place, models: () => atLeastOne(path, lines(path)) }
  throw new ModelSealError('CATALOGUE_INVALID', `Cannot read the catalogue ${shown(given)}: there is no such file.`, {
    file: path,
    expected: 'a file with a model on each line, or a directory of models',
  })
}

function statOf(path: string): Stats | undefined {
  try {
    return statSync(path)
  } catch {
    return undefined
  }
}

/** To sign or verify nothing must not look like success. */
async function* atLeastOne(path: string, models: AsyncIterable<string>): AsyncGenerator<string> {
  let isEmpty = true
  for await (const model of models) {
    isEmpty = false
    yield model
  }
  if (!isEmpty) return
  throw new ModelSealError('CATALOGUE_INVALID', `Cannot use the catalogue ${shown(path)}: it names no model.`, {
    file: path,
    expected:
      'a file with a model on each line, a directory whose subdirectories are models, or a prefix below which models are',
    hint: 'Files, links, and names that begin with a dot are no models of a directory.',
  })
}

function modelsBelow(url: string): Catalogue['models'] {
  const fault = sourceFault(url)
  if (fault !== undefined) throw unlistable(fault)
  const source = sourceOf(url)
  if (!source.models) throw unlistable(`a URL of ${shown(new URL(url).protocol)}, whose models cannot be listed`)
  const beginning = `${source.place.url ?? ''}/`
  return (signal) => atLeastOne(url, checked(signal))

  async function* checked(signal: AbortSignal | undefined): AsyncGenerator<string> {
    for await (const model of source.models?.({ signal }) ?? []) {
      // A source is never trusted: it could name the models of somebody else.
      if (!model.startsWith(beginning) || model.length > MAX_LINE || sourceFault(model) !== undefined)
        throw unlistable('a source that lists models elsewhere')
      yield model
    }
  }
}

/** The URL may contain a password, and is not shown. */
function unlistable(found: string): ModelSealError {
  return new ModelSealError('CATALOGUE_INVALID', 'Cannot use the URL of the catalogue.', {
    expected: 'a prefix with models, such as s3://BUCKET/PREFIX/, without a password or a query',
    found,
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
  let line = 0
  for await (const bytes of linesOf(path)) {
    line += 1
    const text = String(bytes).trim()
    const fault = faultOf(bytes, text)
    if (fault !== undefined) throw invalidLine(path, line, fault)
    if (text === '' || text.startsWith('#')) continue
    yield isUrl(text) ? text : pathOf(text, dirname(path))
  }
}

/** Two spellings of a path are one model. Whether `..` after a link means what it says is checked by whoever opens it. */
function pathOf(text: string, directory: string): string {
  if (!text.split(sep).includes('..')) return resolve(directory, text)
  return isAbsolute(text) ? text : `${directory}${sep}${text}`
}

function faultOf(bytes: Buffer, text: string): string | undefined {
  if (bytes.length > MAX_LINE) return 'a line that is too long'
  if (!isUtf8(bytes)) return 'bytes that are not UTF-8'
  if (/\p{Cc}/u.test(text)) return 'a control character'
  return isUrl(text) ? sourceFault(text) : isAlmostUrl(text) ? 'a URL without "//"' : undefined
}

/** Lines without their ends. One that is too long is yielded as far as it was read. */
async function* linesOf(path: string): AsyncGenerator<Buffer> {
  const file = await opened(path)
  try {
    let rest = Buffer.alloc(0)
    for await (const chunk of file.createReadStream({ autoClose: false }) as AsyncIterable<Buffer>) {
      rest = Buffer.concat([rest, chunk])
      let start = 0
      for (let end = rest.indexOf('\n'); end >= 0; end = rest.indexOf('\n', start)) {
        yield rest.subarray(start, end)
        start = end + 1
      }
      rest = rest.subarray(start)
      if (rest.length > MAX_LINE) yield rest
    }
    if (rest.length > 0) yield rest
  } catch (error) {
    throw unreadable(path, error)
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
