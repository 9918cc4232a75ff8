import { open } from 'node:fs/promises'
import { shown } from '@modelseal/core/errors'
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
  readonly #options: UploadOptions
  #sent = 0
  #total = 0

  constructor(bucket: string, settings: S3Settings, options: UploadOptions) {
    this.#client = new S3Client(bucket, settings, { signal: options.signal }, true)
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
    await inLanes(small, (file) => this.#put({ file, start: 0, end: file.size }))
    for (const file of large) await this.#inParts(file)
  }

  /** Uploads a small object. */
  async bytes(key: string, bytes: Uint8Array): Promise<void> {
    await this.#send({ key, what: named('file', key), method: 'PUT' }, contentOf(bytes, OCTETS))
  }

  /** Aborts all running requests and waits until they have ended. */
  stop(): Promise<void> {
    return this.#client.stop()
  }

  async #put(part: FilePart, query: Readonly<Record<string, string>> = {}): Promise<Headers> {
    const { key, name } = part.file
    const content = partContent(part, (bytes) => this.#progress(bytes))
    const headers = await this.#send({ key, what: named('file', name), method: 'PUT', query }, content)
    if (content.fault) throw content.fault
    return headers
  }

  /** A multipart upload. What was sent of one that fails is removed. */
  async #inParts(file: UploadedFile): Promise<void> {
    const { key, name, size } = file
    const what = named('file', name)
    const created = await this.#answered({ key, what, method: 'POST', query: { uploads: '' } })
    const uploadId = textOf(created, 'UploadId')
    if (!uploadId) throw otherContent(what, 'the identifier of an upload', 'none')
    const bytes = Math.max(PART_BYTES, Math.ceil(size / MAX_PARTS))
    const parts = Array.from({ length: Math.ceil(size / bytes) }, (_, index) => ({
      file,
      start: index * bytes,
      end: Math.min(size, (index + 1) * bytes),
    }))
    const tags: string[] = []
    try {
      await inLanes(parts, async (part, index) => {
        const headers = await this.#put(part, { partNumber: String(index + 1), uploadId })
        const tag = headers.get('etag')
        if (!tag || /[<>&]/.test(tag)) throw otherContent(what, 'an "ETag" of the part', 'none')
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
        throw otherContent(what, 'that its parts were joined', shown(textOf(done, 'Code') ?? done.name))
    } catch (error) {
      await this.#abort(key, what, uploadId)
      throw error
    }
  }

  async #abort(key: string, what: string, uploadId: string): Promise<void> {
    try {
      await this.#client.send({ key, what, method: 'DELETE', query: { uploadId } }, () => Promise.resolve(true))
    } catch {
      // The bucket may have a rule that removes it. The first error is the one to report.
    }
  }

  async #send(request: SentRequest, content: HttpContent): Promise<Headers> {
    const headers = await this.#client.send({ ...request, content }, async (body) => {
      await collected(request.what, MAX_ANSWER_BYTES, body)
      return body.headers
    })
    if (headers) return headers
    throw otherContent(request.what, 'status 200', 'that there is no such thing')
  }

  async #answered(request: SentRequest, content = contentOf(new Uint8Array(), OCTETS)) {
    const text = await this.#client.send({ ...request, content }, async (body) =>
      (await collected(request.what, MAX_ANSWER_BYTES, body)).toString('utf8'),
    )
    try {
      return parseAnswer(text ?? '')
    } catch {
      throw otherContent(request.what, 'an answer of the API', 'something else')
    }
  }

  #progress(bytes: number): void {
    this.#sent += bytes
    this.#options.onProgress?.(Math.min(this.#sent, this.#total), this.#total)
  }
}

type SentRequest = Readonly<{
  key: string
  what: string
  method: 'PUT' | 'POST'
  query?: Readonly<Record<string, string>>
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

/** A part of a file as the content of a request. The bytes are compared when they are read back, so here only their number is. */
function partContent({ file, start, end }: FilePart, sent: (bytes: number) => void) {
  const content: HttpContent & { fault: Error | undefined } = {
    type: OCTETS,
    length: end - start,
    fault: undefined,
    async *chunks() {
      try {
        yield* pieces()
      } catch (error) {
        content.fault = error as Error
        throw error
      }
    },
  }
  async function* pieces(): AsyncGenerator<Uint8Array> {
    const handle = await open(file.path)
    try {
      const { size } = await handle.stat()
      if (size !== file.size) throw changedFile(file.name, `${size} bytes instead of ${file.size}`)
      if (start === end) return
      const stream = handle.createReadStream({ start, end: end - 1, highWaterMark: PIECE_BYTES, autoClose: false })
      for await (const piece of stream as AsyncIterable<Buffer>) {
        yield piece
        sent(piece.length)
      }
    } finally {
      await handle.close()
    }
  }
  return content
}

/** Does work for each, a few at a time. After a failure, none begins. */
async function inLanes<T>(all: readonly T[], work: (each: T, index: number) => Promise<unknown>): Promise<void> {
  let next = 0
  const lane = async () => {
    for (let index = next++; index < all.length; index = next++) {
      try {
        await work(all[index] as T, index)
      } catch (error) {
        next = Infinity
        throw error
      }
    }
  }
  await Promise.all(Array.from({ length: LANES }, lane))
}
