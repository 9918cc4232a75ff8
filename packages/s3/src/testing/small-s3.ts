import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { S3Options } from '../s3-settings.ts'

// An object store in memory, for what a real one does not do: to answer wrongly, and to change objects at a chosen moment.

/** Answers a request in its own way. Returns true if it did. */
export type Fault = (request: IncomingMessage, response: ServerResponse, key: string) => boolean | Promise<boolean>

export class SmallS3 {
  readonly objects = new Map<string, Buffer>()
  /** Multipart uploads that are neither complete nor aborted: their parts by number. */
  readonly uploads = new Map<string, Map<number, Buffer>>()
  /** Method and target of each request. */
  readonly asked: string[] = []
  fault: Fault = () => false
  readonly #server: Server

  static async start(objects: Readonly<Record<string, string | Uint8Array>> = {}): Promise<SmallS3> {
    const store = new SmallS3()
    for (const [key, content] of Object.entries(objects)) store.objects.set(key, Buffer.from(content as string))
    await new Promise<void>((resolve) => store.#server.listen(0, '127.0.0.1', resolve))
    return store
  }

  private constructor() {
    this.#server = createServer((request, response) => {
      this.#answer(request, response).catch((error: unknown) => {
        // A client may go away while it sends.
        if (!request.destroyed) throw error
      })
    })
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** What a source is told to use it. */
  get options(): S3Options {
    return {
      endpoint: this.origin,
      region: 'us-east-1',
      credentials: { accessKeyId: 'test-key', secretAccessKey: 'test-secret' },
    }
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '', this.origin)
    this.asked.push(`${request.method} ${url.pathname}${url.search}`)
    const key = decodeURIComponent(url.pathname.split('/').slice(2).join('/'))
    if (await this.fault(request, response, key)) return
    if (key === '') {
      answerXml(response, 200, this.#listing(url))
      return
    }
    if (url.searchParams.has('uploads') || url.searchParams.has('uploadId')) {
      await this.#upload(url.searchParams, key, { request, response })
      return
    }
    if (request.method === 'PUT') {
      const chunks: Buffer[] = []
      for await (const chunk of request) chunks.push(chunk as Buffer)
      if (!isAllowed(request, this.objects.get(key))) {
        answerXml(response, 412, errorXml('PreconditionFailed'))
        return
      }
      this.objects.set(key, Buffer.concat(chunks))
      response.writeHead(200, { etag: tagOf(Buffer.concat(chunks)) }).end()
      return
    }
    this.#object(key, request, response)
  }

  async #upload(
    query: URLSearchParams,
    key: string,
    { request, response }: { request: IncomingMessage; response: ServerResponse },
  ): Promise<void> {
    const id = query.get('uploadId') ?? `upload-${this.uploads.size + 1}`
    const parts = this.uploads.get(id) ?? new Map<number, Buffer>()
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const content = Buffer.concat(chunks)
    if (request.method === 'DELETE') {
      this.uploads.delete(id)
      response.writeHead(204).end()
    } else if (request.method === 'PUT') {
      parts.set(Number(query.get('partNumber')), content)
      response.writeHead(200, { etag: tagOf(content) }).end()
    } else if (query.has('uploads')) {
      this.uploads.set(id, parts)
      answerXml(
        response,
        200,
        `<InitiateMultipartUploadResult><UploadId>${id}</UploadId></InitiateMultipartUploadResult>`,
      )
    } else {
      this.uploads.delete(id)
      this.objects.set(key, Buffer.concat([...parts].sort(([a], [b]) => a - b).map(([, part]) => part)))
      answerXml(response, 200, '<CompleteMultipartUploadResult></CompleteMultipartUploadResult>')
    }
  }

  #object(key: string, { headers, method }: IncomingMessage, response: ServerResponse): void {
    const content = this.objects.get(key)
    if (!content) {
      answerXml(response, 404, errorXml('NoSuchKey'))
      return
    }
    const etag = tagOf(content)
    const wanted = headers['if-match']
    if (wanted !== undefined && wanted !== etag) {
      answerXml(response, 412, errorXml('PreconditionFailed'))
      return
    }
    const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? '') ?? []
    const [start, end] = [Number(first ?? 0), Math.min(Number(last ?? content.length - 1) + 1, content.length)]
    const range = first === undefined ? {} : { 'content-range': `bytes ${start}-${end - 1}/${content.length}` }
    response.writeHead(first === undefined ? 200 : 206, { etag, 'content-length': end - start, ...range })
    response.end(method === 'HEAD' ? undefined : content.subarray(start, end))
  }

  #listing({ searchParams }: URL): string {
    const prefix = searchParams.get('prefix') ?? ''
    const listed = new Map<string, ListedObject | string>()
    for (const [key, content] of this.objects) {
      const end = searchParams.get('delimiter') === '/' ? key.indexOf('/', prefix.length) : -1
      const folder = key.slice(0, end + 1)
      if (!key.startsWith(prefix)) continue
      if (end >= 0) listed.set(folder, folder)
      else listed.set(key, { key, size: content.length, etag: tagOf(content) })
    }
    const after = searchParams.get('continuation-token') ?? ''
    const most = Number(searchParams.get('max-keys') ?? 1_000)
    const rest = [...listed].filter(([key]) => key > after).sort(([a], [b]) => (a < b ? -1 : 1))
    const page = rest.slice(0, most)
    return listingXml(
      page.map(([, entry]) => entry),
      rest.length > most ? page.at(-1)?.[0] : undefined,
    )
  }
}

function isAllowed({ headers }: IncomingMessage, there: Buffer | undefined): boolean {
  const { 'if-match': match, 'if-none-match': none } = headers
  return none === undefined ? match === undefined || (there && tagOf(there)) === match : there === undefined
}

/** What it lists of an object. */
interface ListedObject {
  readonly key: string
  readonly size: number
  readonly etag: string
}

/** @param entries objects, and prefixes with a slash at their end */
export function listingXml(entries: readonly (ListedObject | string)[], next?: string): string {
  const encoded = (key: string) => encodeURIComponent(key).replaceAll('%2F', '/')
  const contents = entries.map((entry) =>
    typeof entry === 'string'
      ? `<CommonPrefixes><Prefix>${encoded(entry)}</Prefix></CommonPrefixes>`
      : `<Contents><Key>${encoded(entry.key)}</Key><Size>${entry.size}</Size><ETag>${entry.etag}</ETag></Contents>`,
  )
  const end =
    next === undefined
      ? '<IsTruncated>false</IsTruncated>'
      : `<IsTruncated>true</IsTruncated><NextContinuationToken>${next}</NextContinuationToken>`
  return `<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><EncodingType>url</EncodingType>${end}${contents.join('')}</ListBucketResult>`
}

export function errorXml(code: string, more = ''): string {
  return `<?xml version="1.0"?><Error><Code>${code}</Code><Message>no.</Message>${more}</Error>`
}

export function answerXml(response: ServerResponse, status: number, xml: string, headers: object = {}): void {
  response.writeHead(status, { 'content-type': 'application/xml', ...headers }).end(xml)
}

export function tagOf(content: Uint8Array): string {
  return `"${createHash('md5').update(content).digest('hex')}"`
}
