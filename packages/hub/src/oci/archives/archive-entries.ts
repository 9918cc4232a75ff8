import { pipeline, Readable, Transform } from 'node:stream'
import { createGunzip, createZstdDecompress, constants } from 'node:zlib'
import { reasonOf } from '@modelseal/core/any-realm'
import { ModelSealError, shown } from '@modelseal/core/errors'
import type { SourceBody } from '@modelseal/core/source'
import { foldedName } from '@modelseal/core/http'
import { extract, type Extract, type Header } from 'tar-stream'
import type { Archive } from '../artifact.ts'
import type { ArchiveLimit } from './archive-limit.ts'

/** A file in an archive. */
export interface ArchiveEntry {
  readonly name: string
  /** In bytes. */
  readonly size: number
  /** To be read before the next entry is requested, once and to the end. */
  readonly chunks: AsyncIterable<Uint8Array>
  /** Whether that was done. */
  readonly isRead: boolean
}

type Chunks = SourceBody['chunks']
type Entry = Extract extends AsyncIterable<infer E> ? E : never

/** More entries than any model has. */
const MAX_ENTRIES = 100_000
/** PATH_MAX of Linux. */
const MAX_NAME_LENGTH = 4_096
/**
 * What a layer may expand to: text compresses to a tenth, and no weights compress as much. The allowance is for small
 * archives, which end with some kilobytes of zeros.
 */
const MAX_RATIO = 100
const FREE_BYTES = 16 * 1024 * 1024
/**
 * What comes before an entry: a long name and attributes. Longer headers only keep the parser busy, which reads global
 * ones again for every entry.
 */
const MAX_HEADER_BYTES = 64 * 1024
/** What the parser takes at a time, where there may be headers. */
const PIECE_BYTES = 16 * 1024
/** Content is padded to a multiple of it. */
const BLOCK_BYTES = 512
/** Memory for a zstd frame, as a power of two: 64 MiB. Only `zstd --long` and `--ultra` need more. */
const ZSTD_WINDOW_LOG = 26

/**
 * The files of an archive, in its order, while it arrives, by their names in the model. Links and special files are refused, because no signature
 * covers them; directories are skipped.
 *
 * @throws {@link ModelSealError} `SOURCE_FAILED` for a damaged archive or one that expands too much; `SOURCE_LISTING` for
 * impossible, repeated or too many names, and for files outside of the directory that is the model; `SYMLINK_REFUSED`; `FILE_SPECIAL`; what the limit throws
 */
export async function* entriesOf(archive: Archive, chunks: Chunks, limit: ArchiveLimit): AsyncGenerator<ArchiveEntry> {
  const admit = limit.pass(archive)
  const incoming = new Incoming(archive)
  const tar = extract()
  tar.on('entry', (header) => incoming.begun(header))
  // Its error, if any, ends the iteration below.
  const checked = (expanded: Chunks) => incoming.checked(expanded)
  const stages: unknown[] = [Readable.from(incoming.counted(chunks)), ...incoming.stages(), checked, tar]
  // The types do not know lists with generators.
  pipeline(stages as Transform[], (error) => incoming.failed(error))
  const names = new Set<string>()
  let count = 0
  try {
    for await (const entry of tar) {
      if (++count > MAX_ENTRIES) throw listing(archive, `more than ${MAX_ENTRIES} entries`)
      admit(entry.header.size)
      const name = nameOf(archive, entry.header)
      if (name === undefined) {
        await drained(entry)
        continue
      }
      const folded = foldedName(name)
      if (names.has(folded)) throw listing(archive, `the name ${shown(name)} twice, or in two spellings`)
      names.add(folded)
      const file = new FileEntry(name, entry, incoming)
      yield file
      if (!file.isRead) await drained(entry)
    }
  } catch (error) {
    throw error instanceof ModelSealError ? error : incoming.error(error)
  } finally {
    tar.destroy()
  }
}

class FileEntry implements ArchiveEntry {
  readonly name: string
  readonly size: number
  readonly #entry: Entry
  readonly #incoming: Incoming
  #isRead = false

  constructor(name: string, entry: Entry, incoming: Incoming) {
    this.name = name
    this.size = entry.header.size
    this.#entry = entry
    this.#incoming = incoming
  }

  get isRead(): boolean {
    return this.#isRead
  }

  /** Not `for await`: leaving it early would end the whole archive. */
  get chunks(): AsyncIterable<Uint8Array> {
    return this.#pieces()
  }

  async *#pieces(): AsyncGenerator<Uint8Array> {
    const iterator = this.#entry[Symbol.asyncIterator]()
    const next = () => iterator.next().catch((error: unknown) => Promise.reject(this.#incoming.error(error)))
    for (let piece = await next(); piece.done !== true; piece = await next()) yield piece.value as Uint8Array
    this.#isRead = true
  }
}

async function drained(entry: Entry): Promise<void> {
  const iterator = entry[Symbol.asyncIterator]()
  while ((await iterator.next()).done !== true);
}

/** What arrives of a layer, before and after decompression. */
class Incoming {
  readonly #archive: Archive
  #arrived = 0
  #expanded = 0
  /** Where the headers of the next entry begin. */
  #headersAt = 0
  /** The first error, which says more than those that it causes. */
  #first: unknown

  constructor(archive: Archive) {
    this.#archive = archive
  }

  async *counted(chunks: Chunks): AsyncGenerator<Uint8Array> {
    try {
      for await (const chunk of chunks) {
        this.#arrived += chunk.length
        yield chunk
      }
    } catch (error) {
      this.failed(error)
      throw error
    }
  }

  /** An entry was found: its content comes before further headers. */
  begun({ type, size, ...header }: Header): void {
    const { byteOffset = 0 } = header as { byteOffset?: number }
    this.#headersAt = byteOffset + (type === 'directory' ? 0 : Math.ceil(size / BLOCK_BYTES) * BLOCK_BYTES)
  }

  /** Ends an archive with long headers. Each piece is passed on when the parser is done with the one before. */
  async *checked(chunks: Chunks): AsyncGenerator<Uint8Array> {
    let passed = 0
    for await (const chunk of chunks)
      for (let start = 0; start < chunk.length;) {
        const content = Math.max(this.#headersAt - passed, 0)
        const piece = chunk.subarray(start, start + Math.max(content, PIECE_BYTES))
        passed += piece.length
        start += piece.length
        // Zeros end an archive.
        if (passed - this.#headersAt > MAX_HEADER_BYTES && piece.some((byte) => byte !== 0))
          throw this.#refusal(`headers of at most ${MAX_HEADER_BYTES} bytes`, 'more')
        yield piece
      }
  }

  /** The streams that decompress. */
  stages(): Transform[] {
    const { compression } = this.#archive
    if (compression === undefined) return []
    const params = { [constants.ZSTD_d_windowLogMax]: ZSTD_WINDOW_LOG }
    const decompress = compression === 'gzip' ? createGunzip() : createZstdDecompress({ params })
    const bounded = new Transform({
      transform: (chunk: Uint8Array, _, done) => {
        this.#expanded += chunk.length
        const isBomb = this.#expanded > FREE_BYTES + MAX_RATIO * this.#arrived
        done(isBomb ? this.#refusal(`at most ${MAX_RATIO} times its size`, 'more') : null, chunk)
      },
    })
    return [decompress, bounded]
  }

  failed(error: unknown): void {
    this.#first ??= error
  }

  /** The typed error for a failure of a stream. */
  error(error: unknown): ModelSealError {
    const cause = this.#first ?? error
    if (cause instanceof ModelSealError) return cause
    return this.#refusal(
      `a ${['tar', this.#archive.compression].filter(Boolean).join('+')} archive`,
      shown(reasonOf(cause)),
    )
  }

  #refusal(expected: string, found: string): ModelSealError {
    return new ModelSealError(
      'SOURCE_FAILED',
      `Cannot read the layer ${shown(this.#archive.digest)}: it cannot be unpacked.`,
      {
        file: this.#archive.path,
        expected,
        found,
        hint: 'Ask the publisher of the model to push it again.',
      },
    )
  }
}

/** @returns undefined for a directory */
function nameOf(archive: Archive, { type, name: written, size }: Header): string | undefined {
  const name = written.replace(/^(?:\.\/)+/, '')
  // The parser would wait for the content of a directory without end.
  if (type === 'directory' && size !== 0) throw listing(archive, `the directory ${shown(name)} with content`)
  if (type === 'directory') return undefined
  if (type === 'symlink' || type === 'link') throw special('SYMLINK_REFUSED', name, 'a link')
  if (type !== 'file' && type !== 'contiguous-file')
    throw special('FILE_SPECIAL', name, 'a device or another special file')
  const components = name.split('/')
  const isBad = components.some((each) => each === '' || each === '.' || each === '..' || each.includes('\0'))
  if (isBad || name.length > MAX_NAME_LENGTH) throw listing(archive, `the impossible name ${shown(name)}`)
  if (!Number.isSafeInteger(size)) throw listing(archive, `an impossible size of ${shown(name)}`)
  const { root } = archive
  if (root === undefined) return name
  // ORAS refuses it as well. It would be unclear which directory is the model.
  if (!name.startsWith(`${root}/`))
    throw listing(archive, `${shown(name)}, which is not in the directory ${shown(root)}`)
  return name.slice(root.length + 1)
}

function special(code: 'SYMLINK_REFUSED' | 'FILE_SPECIAL', name: string, found: string): ModelSealError {
  return new ModelSealError(code, `Cannot read an archive of the model: ${shown(name)} is not a file.`, {
    file: name,
    expected: 'files and directories',
    found,
    hint: 'Ask the publisher of the model to push files only.',
  })
}

function listing({ digest }: Archive, found: string): ModelSealError {
  return new ModelSealError('SOURCE_LISTING', `Cannot read the layer ${shown(digest)}: it contains ${found}.`, {
    file: digest,
    hint: 'Do not load this copy. Ask the publisher of the model to push it again.',
  })
}
