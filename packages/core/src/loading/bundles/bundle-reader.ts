import { bundleTooLarge, parseOwnBundle, type FoundBundle } from '../../bundle/bundle.ts'
import { isAttestation } from '../../bundle/claim.ts'
import { ModelSealError, shown } from '../../errors.ts'
import { throwIfAborted } from '../../source/aborted.ts'
import type { BundleCandidate, SourceBody } from '../../source/model-source.ts'
import type { OpenedSource } from '../../source/opened-source.ts'
import { MAX_BUNDLES } from '../../source/answers/source-answers.ts'
import { inTurns, type Steps } from '../../source/turns.ts'

/**
 * Limit on the total size of all bundles, as a multiple of the limit for one: several signers of a large model have
 * large bundles.
 */
const LARGE_BUNDLES = 4

/** Errors in a bundle itself. Any other error concerns its source. */
const OF_THE_BUNDLE = /^(?:FILE|BUNDLE)_/

interface BundleReading {
  /** Maximum size of one bundle. */
  readonly maxBytes: number
  readonly signal: AbortSignal | undefined
  /** Whether the bytes of bundles are kept. */
  readonly keeps?: boolean | undefined
}

interface ReadBundles {
  found: FoundBundle[]
  absent: string[]
  unread: string | undefined
}

/** Reads the bundles of a search, with a limit on their total size, because anyone may have put them there. */
export class BundleReader {
  readonly #source: OpenedSource
  readonly #maxBytes: number
  readonly #signal: AbortSignal | undefined
  readonly #keeps: boolean
  /** Bytes left for all bundles of the search, if the source has a limit. */
  #room: number
  /** The error for a stream that was too long. It ends the search, because other bundles may be endless too. */
  #overrun: ModelSealError | undefined

  constructor(source: OpenedSource, { maxBytes, signal, keeps = false }: BundleReading) {
    this.#keeps = keeps
    this.#source = source
    this.#maxBytes = maxBytes
    this.#signal = signal
    this.#room = source.maxSearchBytes
  }

  /**
   * Reads the first {@link MAX_BUNDLES} that exist, one after another.
   *
   * @returns the bundles, the places without one, and the first place that was not looked at
   * @throws {@link ModelSealError} `ABORTED`, and what the source throws
   */
  async readAll(candidates: readonly BundleCandidate[]): Promise<ReadBundles> {
    const found: FoundBundle[] = []
    const absent: string[] = []
    let room = LARGE_BUNDLES * this.#maxBytes
    for (const candidate of candidates) {
      throwIfAborted(this.#signal)
      const { path } = candidate
      if (found.length === MAX_BUNDLES) return { found, absent, unread: path }
      try {
        const bytes = await this.#read(candidate, Math.min(this.#maxBytes, room))
        if (!bytes) {
          absent.push(path)
          continue
        }
        room -= bytes.length
        this.#room -= bytes.length
        const parsed = await this.#parsed(path, bytes)
        if (!(candidate.mixed && 'bundle' in parsed && (await isAttestation(parsed.bundle, this.#signal))))
          found.push(parsed)
      } catch (error) {
        if (error === this.#overrun || !(error instanceof ModelSealError) || !OF_THE_BUNDLE.test(error.code))
          throw error
        found.push({ path, error })
      }
    }
    return { found, absent, unread: undefined }
  }

  async #parsed(path: string, bytes: Buffer): Promise<FoundBundle> {
    try {
      const bundle = await parseOwnBundle(bytes, path, this.#signal)
      return this.#keeps ? { path, bundle, bytes } : { path, bundle }
    } catch (error) {
      if (!(error instanceof ModelSealError) || error.code === 'ABORTED') throw error
      return { path, error }
    }
  }

  async #read(candidate: BundleCandidate, limit: number): Promise<Buffer | undefined> {
    const { path } = candidate
    const maxBytes = Math.min(limit, this.#room)
    const tooLarge = (found?: string, cause?: unknown) =>
      this.#room < limit ? this.#noRoom(path) : bundleTooLarge(path, limit, { found, cause })
    try {
      // Even if no bytes are left, look for the bundle: most places have none.
      return await this.#source.reader.read(
        `signature bundle ${shown(path)}`,
        (signal, receive) => candidate.read({ maxBytes, signal }, receive),
        (body) => this.#collected(body, maxBytes, tooLarge),
      )
    } catch (error) {
      if (error instanceof ModelSealError && error.code === 'FILE_TOO_LARGE') throw tooLarge(error.found, error)
      throw error
    }
  }

  async #collected(
    { size = 0, chunks }: SourceBody,
    maxBytes: number,
    tooLarge: () => ModelSealError,
  ): Promise<Buffer> {
    const overrun = () => (this.#overrun = tooLarge())
    if (size > maxBytes) throw overrun()
    const parts: Uint8Array[] = []
    let received = 0
    for await (const chunk of chunks) {
      received += chunk.length
      if (received > maxBytes) throw overrun()
      parts.push(chunk)
    }
    const [only] = parts
    if (parts.length === 1 && Buffer.isBuffer(only)) return only
    return inTurns(joined(parts, received), this.#signal)
  }

  #noRoom(path: string): ModelSealError {
    return new ModelSealError('BUNDLE_TOO_LARGE', `Cannot read the signature bundle ${shown(path)}: it is too large.`, {
      file: path,
      expected: `at most ${this.#room} bytes: the rest of the ${this.#source.maxSearchBytes} bytes that the source of the model allows`,
      hint: 'If this really is the bundle of the publisher, raise that limit. Over HTTP, it is the option "http.maxBytes".',
    })
  }
}

/** Joins the pieces at the end, because growing a buffer would copy it again and again. */
function* joined(parts: readonly Uint8Array[], length: number): Steps<Buffer> {
  const bytes = Buffer.allocUnsafeSlow(length)
  let start = 0
  for (const part of parts) {
    bytes.set(part, start)
    start += part.length
    yield
  }
  return bytes
}
