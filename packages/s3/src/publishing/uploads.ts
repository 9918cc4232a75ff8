import { open } from 'node:fs/promises'
import { clearTimeout, setTimeout } from 'node:timers'
import { shown, type ModelSealError } from '@modelseal/core/errors'
import { collected, type HttpContent } from '@modelseal/core/http'
import { changedFile, type PublishedFile } from '@modelseal/core/publishing'
import { parseAnswer, textOf } from '../s3-answer.ts'
import { named, S3Client } from '../s3-client.ts'
import { otherContent } from '../s3-errors.ts'
import type { S3Settings } from '../s3-settings.ts'

/** A file to upload. */
type UploadedFile = PublishedFile & { readonly key: string }

/** A part of a file on this machine. */
interface FilePart {
  readonly file: UploadedFile
  readonly start: number
  readonly end: number
}

interface UploadOptions {
  readonly signal: AbortSignal | undefined
  readonly onProgress: ((bytes: number, total: number) => void) | undefined
}

/** How long what was sent of an upload that failed may take to be removed. */
const CLEANUP_MS = 15_000
/** Files and parts that are sent at a time. */
const LANES = 4
/** Larger files are sent in parts, each of which is sent again alone if its connection breaks. */
const PART_BYTES = 64 * 1024 * 1024
/** Of the API. */
const MAX_PARTS = 10_000
/** Of an answer to what was sent. */
const MAX_ANSWER_BYTES = 64 * 1024
const PIECE_BYTES = 256 * 1024
const OCTETS = 'application/octet-stream'

/** Uploads to one bucket. */
export class Uploads {
  readonly #client: S3Client
  /** For removing what was sent, which an abort by the caller must not prevent. */
  readonly #cleaning: S3Client
  readonly #options: UploadOptions
  #sent = 0
  #total = 0

  constructor(bucket: string, settings: S3Settings, options: UploadOptions) {
    this.#client = new S3Client(bucket, settings, { signal: options.signal }, true)
    this.#cleaning = new S3Client(bucket, settings, { signal: undefined }, true)
    this.#options = options
  }

  /**
   * Uploads files, several at a time.
   *
   * @throws {@link ModelSealError} `FILE_CHANGED` if one has another size now, and what the client throws
   */
  async files(files: readonly UploadedFile[]): Promise<void> {
    this.#total = files.reduce((sum, { size }) => sum + size, 0)
    const [large, small] = [files.filter(isLarge), files.filter((file) => !isLarge(file))]
    await inLanes(small, (file, _, signal) => this.#put({ file, start: 0, end: file.size }, signal))
    for (const file of large) await this.#inParts(file)
  }

  /** Uploads a small object, if the conditions in the headers are met. */
  async bytes(key: string, bytes: Uint8Array, headers: Readonly<Record<string, string>> = {}): Promise<void> {
    await this.#send({ key, what: named('file', key), method: 'PUT', headers }, contentOf(bytes, OCTETS))
  }

  /** Aborts all running requests and waits until they have ended. */
  async stop(): Promise<void> {
    await Promise.all([this.#client.stop(), this.#cleaning.stop()])
  }

  async #put(part: FilePart, signal: AbortSignal, query: Readonly<Record<string, string>> = {}): Promise<Headers> {
    const { key, name } = part.file
    const content = new PartContent(part, (bytes) => this.#progress(bytes))
    return this.#send({ key, what: named('file', name), method: 'PUT', query, signal }, content)
  }

  /**
   * A multipart upload. What was sent of one that fails is removed. One that was created by a request whose answer was lost stays, without
   * parts: a list of uploads does not tell it from that of another push of the same object, which must not be ended.
   */
  async #inParts(file: UploadedFile): Promise<void> {
    const { key, name, size } = file
    const what = named('file', name)
    const created = await this.#answered({ key, what, method: 'POST', query: { uploads: '' } })
    const uploadId = textOf(created, 'UploadId')
    if (!uploadId) throw otherAnswer(what, 'the identifier of an upload', 'none')
    const bytes = Math.max(PART_BYTES, Math.ceil(size / MAX_PARTS))
    const parts = Array.from({ length: Math.ceil(size / bytes) }, (_, index) => ({
      file,
      start: index * bytes,
      end: Math.min(size, (index + 1) * bytes),
    }))
    const tags: string[] = []
    try {
      await inLanes(parts, async (part, index, signal) => {
        const headers = await this.#put(part, signal, { partNumber: String(index + 1), uploadId })
        const tag = headers.get('etag')
        if (!tag || /[<>&]/.test(tag)) throw otherAnswer(what, 'an "ETag" of the part', 'none')
        tags[index] = tag
      })
      const listed = tags.map((tag, index) => `<Part><PartNumber>${index + 1}</PartNumber><ETag>${tag}</ETag></Part>`)
      const body = Buffer.from(`<CompleteMultipartUpload>${listed.join('')}</CompleteMultipartUpload>`)
      const done = await this.#answered(
        { key, what, method: 'POST', query: { uploadId } },
        contentOf(body, 'application/xml'),
      )
      // The answer begins before it is known whether the parts could be joined.
      if (done.name !== 'CompleteMultipartUploadResult')
        throw otherAnswer(what, 'that its parts were joined', shown(textOf(done, 'Code') ?? done.name))
    } catch (error) {
      await this.#abort(key, what, uploadId)
      throw error
    }
  }

  async #abort(key: string, what: string, uploadId: string): Promise<void> {
    const late = new AbortController()
    const timer = setTimeout(() => late.abort(), CLEANUP_MS)
    const request = { key, what, method: 'DELETE', query: { uploadId }, signal: late.signal } as const
    try {
      await this.#cleaning.send(request, () => Promise.resolve(true))
    } catch {
      // The bucket may have a rule that removes it. The first error is the one to report.
    } finally {
      clearTimeout(timer)
    }
  }

  async #send(request: SentRequest, content: HttpContent): Promise<Headers> {
    const headers = await this.#client.send({ ...request, content }, async (body) => {
      await collected(request.what, MAX_ANSWER_BYTES, body)
      return body.headers
    })
    if (headers) return headers
    throw otherAnswer(request.what, 'status 200', 'that there is no such thing')
  }

  async #answered(request: SentRequest, content = contentOf(new Uint8Array(), OCTETS)) {
    const text = await this.#client.send({ ...request, content }, async (body) =>
      (await collected(request.what, MAX_ANSWER_BYTES, body)).toString('utf8'),
    )
    try {
      return parseAnswer(text ?? '')
    } catch {
      throw otherAnswer(request.what, 'an answer of the API', 'something else')
    }
  }

  #progress(bytes: number): void {
    this.#sent += bytes
    this.#options.onProgress?.(Math.min(this.#sent, this.#total), this.#total)
  }
}

function otherAnswer(what: string, expected: string, found: string): ModelSealError {
  return otherContent(what, expected, found, 'send')
}

type SentRequest = Readonly<{
  key: string
  what: string
  method: 'PUT' | 'POST'
  query?: Readonly<Record<string, string>>
  headers?: Readonly<Record<string, string>>
  signal?: AbortSignal
}>

function isLarge({ size }: UploadedFile): boolean {
  return size > PART_BYTES
}

function contentOf(bytes: Uint8Array, type: string): HttpContent {
  return {
    type,
    length: bytes.length,
    async *chunks() {
      if (bytes.length > 0) yield await Promise.resolve(bytes)
    },
  }
}

/**
 * A part of a file as the content of a request. Its bytes are compared when they are read back, so here only their number
 * is.
 */
class PartContent implements HttpContent {
  readonly type = OCTETS
  readonly length: number
  readonly #part: FilePart
  readonly #sent: (bytes: number) => void
  /** Bytes that were sent by this attempt. */
  #bytes = 0
  /** Why it was not sent to its end. */
  fault: Error | undefined

  /** @param sent called with the bytes of each piece, and with a negative number if they have to be sent again */
  constructor(part: FilePart, sent: (bytes: number) => void) {
    this.length = part.end - part.start
    this.#part = part
    this.#sent = sent
  }

  async *chunks(): AsyncGenerator<Uint8Array> {
    if (this.#bytes > 0) this.#sent(-this.#bytes)
    this.#bytes = 0
    try {
      yield* this.#pieces()
    } catch (error) {
      this.fault = error as Error
      throw error
    }
  }

  async *#pieces(): AsyncGenerator<Uint8Array> {
    const { file, start, end } = this.#part
    const handle = await open(file.path)
    try {
      const { size } = await handle.stat()
      if (size !== file.size) throw changedFile(file.name, `${size} bytes instead of ${file.size}`)
      const stream = handle.createReadStream({ start, end: end - 1, highWaterMark: PIECE_BYTES, autoClose: false })
      for await (const piece of stream as AsyncIterable<Buffer>) {
        yield piece
        this.#bytes += piece.length
        this.#sent(piece.length)
      }
      if (this.#bytes !== this.length) throw changedFile(file.name, `fewer than ${file.size} bytes`)
    } finally {
      await handle.close()
    }
  }
}

/** Does work for each, a few at a time. After a failure, none begins, and those that run are aborted and awaited. */
async function inLanes<T>(
  all: readonly T[],
  work: (each: T, index: number, signal: AbortSignal) => Promise<unknown>,
): Promise<void> {
  const failed = new AbortController()
  let next = 0
  const lane = async () => {
    for (let index = next++; index < all.length && !failed.signal.aborted; index = next++) {
      try {
        await work(all[index] as T, index, failed.signal)
      } catch (error) {
        // Only the first one counts: the others are aborted by it.
        failed.abort(error)
      }
    }
  }
  await Promise.all(Array.from({ length: LANES }, lane))
  failed.signal.throwIfAborted()
}
