import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { HubUploads } from './hub-uploads.ts'

/** Files of a repository by name. */
export type HubFiles = ReadonlyMap<string, Uint8Array>

/** Answers a request instead of the hub. Returns true if it did. */
type Fault = (request: IncomingMessage, response: ServerResponse) => boolean

/** A repository of the hub. */
export interface Repository {
  readonly commits: Map<string, HubFiles>
  readonly references: Map<string, string>
  /** Tokens that may read it; undefined if everybody may. */
  readonly tokens: readonly string[] | undefined
  /** What the hub calls it, if this is another name of it. */
  readonly id?: string
}

/**
 * A hub in memory, for tests: resolves revisions, lists files in pages, and serves them, large ones by redirecting to its
 * storage on another port. Stores what its clients upload. It may be told to fail.
 */
export class SmallHub {
  /** Entries of a page of a listing. */
  pageSize = 1_000
  /** Called for each request to the hub or its storage. */
  fault: Fault = () => false
  /** Changes what a client commits. */
  committing: (files: HubFiles) => HubFiles = (files) => files
  /** All requests, as `hub GET /path` and `storage GET /path`. */
  readonly asked: string[] = []
  /** The tokens that were sent, or undefined, of each request. */
  readonly tokens: { to: 'hub' | 'storage'; authorization: string | undefined }[] = []
  readonly repositories = new Map<string, Repository>()
  /** Content of large files, by SHA-256. */
  readonly stored = new Map<string, Uint8Array>()
  readonly #uploads = new HubUploads(this)
  readonly #sockets: Socket[] = []
  readonly #hub: Server
  readonly #storage: Server

  static async start(): Promise<SmallHub> {
    const hub = new SmallHub()
    for (const server of [hub.#hub, hub.#storage]) {
      server.on('connection', (socket) => void hub.#sockets.push(socket))
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    }
    return hub
  }

  private constructor() {
    this.#hub = createServer((request, response) => this.#serve('hub', request, response))
    this.#storage = createServer((request, response) => this.#serve('storage', request, response))
  }

  get origin(): string {
    return originOf(this.#hub)
  }

  get storage(): string {
    return originOf(this.#storage)
  }

  /** Bytes that were sent, with headers. */
  get sent(): number {
    return this.#sockets.reduce((sum, { bytesWritten }) => sum + bytesWritten, 0)
  }

  /**
   * Adds a commit to a branch.
   *
   * @param repository `ORG/NAME` of a model, or `datasets/ORG/NAME`
   * @returns its identifier
   */
  commit(
    repository: string,
    files: HubFiles,
    { branch = 'main', tokens }: { branch?: string; tokens?: string[] } = {},
  ) {
    const found = this.repositories.get(repository) ?? { commits: new Map(), references: new Map(), tokens }
    this.repositories.set(repository, found)
    const sha = digest('sha1', Buffer.from(`${repository} ${found.commits.size}`))
    found.commits.set(sha, files)
    found.references.set(branch, sha)
    for (const bytes of files.values()) this.stored.set(digest('sha256', bytes), bytes)
    return sha
  }

  /** Replaces the content that the storage sends for a file; its listing stays. */
  replaceStored(bytes: Uint8Array, other: Uint8Array): void {
    this.stored.set(digest('sha256', bytes), other)
  }

  async close(): Promise<void> {
    for (const server of [this.#hub, this.#storage]) {
      server.closeAllConnections()
      await new Promise<unknown>((resolve) => server.close(resolve))
    }
  }

  /** Has the hub answer for another name of a repository as well. */
  alias(name: string, repository: string): void {
    const found = this.repositories.get(repository)
    if (found) this.repositories.set(name, { ...found, id: repository })
  }

  #serve(to: 'hub' | 'storage', request: IncomingMessage, response: ServerResponse): void {
    const { method = '', url = '', headers } = request
    this.asked.push(`${to} ${method} ${url}`)
    this.tokens.push({ to, authorization: headers.authorization })
    if (this.fault(request, response)) return
    if (method === 'POST' || method === 'PUT') {
      void this.#uploads.answer(to, request, response)
      return
    }
    if (to === 'hub') this.#answer(request, response)
    else sendFile(request, response, this.stored.get(url.split('/').at(-1) ?? ''))
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? '', this.origin)
    const [, api, prefix = '', name = '', verb = '', revision = '', path = ''] =
      /^\/(api\/(?:models\/|(?=datasets\/)))?(datasets\/)?((?:[^/]+\/)?[^/]+)\/(revision|tree|resolve)\/([^/]+)(?:\/(.*))?$/.exec(
        url.pathname,
      ) ?? []
    const repository = this.repositories.get(prefix + name)
    if (!repository || (api === undefined) !== (verb === 'resolve')) {
      refuse(response, 404, 'RepoNotFound')
      return
    }
    const { authorization = '' } = request.headers
    if (repository.tokens && !repository.tokens.includes(authorization.replace('Bearer ', ''))) {
      refuse(response, authorization === '' ? 401 : 403, 'GatedRepo')
      return
    }
    const asked = decodeURIComponent(revision)
    const sha = repository.references.get(asked) ?? asked
    const files = repository.commits.get(sha)
    if (!files) {
      refuse(response, 404, 'RevisionNotFound')
      return
    }
    if (verb === 'revision') {
      const siblings = [...files.keys()].map((rfilename) => ({ rfilename }))
      send(response, { id: repository.id ?? name, sha, siblings })
      return
    }
    const place = path.split('/').map(decodeURIComponent).join('/')
    if (verb === 'tree') {
      this.#list(response, url, entriesOf(files, place, url.searchParams.has('recursive')))
      return
    }
    const content = files.get(place)
    if (!content) {
      refuse(response, 404, 'EntryNotFound')
      return
    }
    response.setHeader('x-repo-commit', sha)
    if (!isLarge(place)) {
      sendFile(request, response, content)
      return
    }
    const location = `${this.storage}/lfs/${digest('sha256', content)}`
    const etag = `"${digest('sha256', content)}"`
    response.writeHead(302, { location, 'x-linked-size': content.length, 'x-linked-etag': etag }).end()
  }

  #list(response: ServerResponse, url: URL, entries: object[]): void {
    if (entries.length === 0) {
      refuse(response, 404, 'EntryNotFound')
      return
    }
    const start = Number(url.searchParams.get('cursor') ?? 0)
    const next = start + this.pageSize
    if (next < entries.length) {
      url.searchParams.set('cursor', `${next}`)
      response.setHeader('link', `<${url.href}>; rel="next"`)
    }
    send(response, entries.slice(start, next))
  }
}

/** Files in large file storage. */
export function isLarge(name: string): boolean {
  return /\.(?:bin|onnx|parquet|safetensors)$/.test(name)
}

export function entriesOf(files: HubFiles, folder: string, isDeep: boolean): object[] {
  const prefix = folder === '' ? '' : `${folder}/`
  const folders = new Set<string>()
  const entries: object[] = []
  for (const [path, bytes] of files) {
    if (!path.startsWith(prefix)) continue
    const slash = path.indexOf('/', prefix.length)
    if (slash >= 0) folders.add(path.slice(0, slash))
    if (slash >= 0 && !isDeep) continue
    const oid = digest('sha256', bytes)
    const lfs = isLarge(path) ? { lfs: { oid, size: bytes.length, pointerSize: 130 } } : {}
    entries.push({ type: 'file', oid: gitDigest(bytes), size: bytes.length, path, ...lfs })
  }
  return [
    ...[...folders].map((path) => ({ type: 'directory', oid: digest('sha1', Buffer.from(path)), size: 0, path })),
    ...entries,
  ]
}

function sendFile({ headers }: IncomingMessage, response: ServerResponse, bytes: Uint8Array | undefined): void {
  if (!bytes) {
    refuse(response, 404, 'EntryNotFound')
    return
  }
  const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? '') ?? []
  const start = Number(first ?? 0)
  const end = Math.min(Number(last ?? bytes.length - 1) + 1, bytes.length)
  if (start > bytes.length) return void response.writeHead(416).end()
  const range = first === undefined ? {} : { 'content-range': `bytes ${start}-${end - 1}/${bytes.length}` }
  const etag = `"${digest('sha256', bytes)}"`
  response.writeHead(first === undefined ? 200 : 206, { 'content-length': end - start, etag, ...range })
  response.end(bytes.subarray(start, end))
}

export function send(response: ServerResponse, json: unknown, status = 200): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(json))
}

export function refuse(response: ServerResponse, status: number, code: string): void {
  response.writeHead(status, { 'x-error-code': code, 'content-type': 'application/json' }).end('{"error":"refused"}')
}

function originOf(server: Server): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** Git's identifier of a file. */
export function gitDigest(bytes: Uint8Array): string {
  return createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex')
}

export function digest(algorithm: string, bytes: Uint8Array): string {
  return createHash(algorithm).update(bytes).digest('hex')
}
