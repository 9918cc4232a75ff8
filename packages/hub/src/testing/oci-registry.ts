import { createHash, randomUUID } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { onTestFinished } from 'vitest'
import { RegistryUploads } from './registry-uploads.ts'

/** What a registry of a test does. */
interface RegistryOptions {
  /** Default: true. Without it, attached manifests are listed by the fallback tag. */
  referrersApi?: boolean
  /** Descriptors a page of referrers has. Default: all. */
  pageSize?: number
  /** The user and password that it demands. Default: none. */
  user?: { readonly name: string; readonly password: string }
  /** How it demands them. Default: `token`. */
  scheme?: 'token' | 'basic'
}

export interface Layer {
  mediaType?: string
  annotations?: Record<string, string>
  content: Uint8Array
}

/** Answers in place of the registry. */
export type Fault = (request: IncomingMessage, response: ServerResponse) => void

export const MANIFEST = 'application/vnd.oci.image.manifest.v1+json'
export const INDEX = 'application/vnd.oci.image.index.v1+json'
export const BUNDLE = 'application/vnd.dev.sigstore.bundle.v0.3+json'
/** What ORAS says of every file. */
const ORAS_FILE = 'application/vnd.oci.image.layer.v1.tar'
export const TITLE = 'org.opencontainers.image.title'
const EMPTY = { mediaType: 'application/vnd.oci.empty.v1+json', content: Buffer.from('{}') }

/** A registry in memory, on the loopback interface, for one test. It has one repository. */
export class TestRegistry {
  readonly host: string
  /** Paths with queries, in order. */
  readonly asked: string[] = []
  /** The header `authorization` of each request. */
  readonly logins: (string | undefined)[] = []
  /** Of all bodies. */
  bytesSent = 0
  readonly blobs = new Map<string, Uint8Array>()
  readonly manifests = new Map<string, { type: string; bytes: Uint8Array; subject: string | undefined }>()
  readonly tags = new Map<string, string>()
  /** By the beginning of the path below the repository, or the whole path. Each answers once; later ones follow. */
  readonly faults: { readonly path: string; readonly answer: Fault }[] = []
  readonly #options: RegistryOptions
  readonly #tokens = new Set<string>()
  readonly #uploads = new RegistryUploads(this)

  static async start(options: RegistryOptions = {}): Promise<TestRegistry> {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => {
      server.closeAllConnections()
      server.close()
    })
    const registry = new TestRegistry((server.address() as AddressInfo).port, options)
    server.on('request', (request, response) => registry.answer(request, response))
    return registry
  }

  private constructor(port: number, options: RegistryOptions) {
    this.host = `127.0.0.1:${port}`
    this.#options = options
  }

  /** Whether it lists attached manifests itself. */
  get hasReferrers(): boolean {
    return this.#options.referrersApi !== false
  }

  get origin(): string {
    return `http://${this.host}`
  }

  /** @param version with its separator */
  url(version = ':1.0'): string {
    return `oci://${this.host}/models/vad${version}`
  }

  /** @returns its digest */
  push(layers: readonly Layer[], more: Record<string, unknown> & { tag?: string; subject?: string } = {}): string {
    const { tag, subject, ...fields } = more
    const manifest = {
      schemaVersion: 2,
      mediaType: MANIFEST,
      config: this.#descriptor(EMPTY),
      layers: layers.map((layer) => this.#descriptor(layer)),
      ...(subject === undefined ? {} : { subject: { mediaType: MANIFEST, digest: subject, size: 1 } }),
      ...fields,
    }
    const digest = this.pushRaw(JSON.stringify(manifest), { tag, subject })
    if (subject !== undefined && this.#options.referrersApi === false) this.#tagReferrers(subject)
    return digest
  }

  pushRaw(text: string, more: { type?: string; tag?: string | undefined; subject?: string | undefined } = {}): string {
    const bytes = Buffer.from(text)
    const digest = sha256(bytes)
    this.manifests.set(digest, { type: more.type ?? MANIFEST, bytes, subject: more.subject })
    if (more.tag !== undefined) this.tags.set(more.tag, digest)
    return digest
  }

  /** Pushes files as `oras push` does. */
  pushFiles(files: ReadonlyMap<string, Uint8Array>, tag = '1.0'): string {
    const layers = [...files].map(([name, content]) => ({ content, annotations: { [TITLE]: name } }))
    return this.push(layers, { tag })
  }

  /** Attaches a bundle as `oras attach` does. */
  attach(bundle: Uint8Array, subject: string): string {
    return this.push([{ mediaType: BUNDLE, content: bundle }], { subject, artifactType: BUNDLE })
  }

  answer(request: IncomingMessage, response: ServerResponse): void {
    const { url = '', headers } = request
    const path = url.replace('/v2/models/vad/', '')
    this.asked.push(url)
    this.logins.push(headers.authorization)
    const fault = this.faults.findIndex((each) => path.startsWith(each.path))
    const [kind = '', rest = ''] = /^(\w+)\/(.*)$/s.exec(path)?.slice(1) ?? []
    if (fault >= 0) this.faults.splice(fault, 1)[0]?.answer(request, response)
    else if (path.startsWith('/token')) this.#token(request, response)
    else if (!this.#isAllowed(headers.authorization)) this.#challenge(response)
    else if (request.method === 'POST' || request.method === 'PUT') void this.#uploads.answer(request, response)
    else if (kind === 'manifests') this.#manifest(rest, response)
    else if (kind === 'blobs') this.#blob(rest, request, response)
    else if (kind === 'referrers' && this.hasReferrers) this.#referrers(rest, response)
    else this.send(response, 404, 'not found')
  }

  send(
    response: ServerResponse,
    status: number,
    body: Uint8Array | string,
    headers: Record<string, string> = {},
  ): void {
    this.bytesSent += Buffer.byteLength(body)
    response.writeHead(status, { 'content-length': Buffer.byteLength(body), ...headers }).end(body)
  }

  #manifest(version: string, response: ServerResponse): void {
    const digest = this.tags.get(version) ?? version
    const found = this.manifests.get(digest)
    if (!found) this.send(response, 404, '{"errors":[{"code":"MANIFEST_UNKNOWN"}]}')
    else this.send(response, 200, found.bytes, { 'content-type': found.type, 'docker-content-digest': digest })
  }

  #blob(digest: string, { headers }: IncomingMessage, response: ServerResponse): void {
    const content = this.blobs.get(digest)
    const [, start, end] = /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? '') ?? []
    if (!content) this.send(response, 404, '{"errors":[{"code":"BLOB_UNKNOWN"}]}')
    else if (start === undefined) this.send(response, 200, content)
    else this.send(response, 206, content.subarray(Number(start), Number(end) + 1))
  }

  #referrers(rest: string, response: ServerResponse): void {
    const [digest = '', query = ''] = rest.split('?')
    const page = Number(new URLSearchParams(query).get('page') ?? 0)
    const all = this.#descriptorsFor(digest)
    const size = this.#options.pageSize ?? Infinity
    const manifests = size === Infinity ? all : all.slice(page * size, (page + 1) * size)
    const hasMore = (page + 1) * size < all.length
    this.send(response, 200, JSON.stringify({ schemaVersion: 2, mediaType: INDEX, manifests }), {
      'content-type': INDEX,
      ...(hasMore ? { link: `</v2/models/vad/referrers/${digest}?page=${page + 1}>; rel="next"` } : {}),
    })
  }

  /** With the type of the config, as go-containerregistry lists it. */
  #descriptorsFor(subject: string): object[] {
    return [...this.manifests]
      .filter(([, manifest]) => manifest.subject === subject)
      .map(([digest, { bytes }]) => ({
        mediaType: MANIFEST,
        digest,
        size: bytes.length,
        artifactType: EMPTY.mediaType,
      }))
  }

  #tagReferrers(subject: string): void {
    const index = { schemaVersion: 2, mediaType: INDEX, manifests: this.#descriptorsFor(subject) }
    this.pushRaw(JSON.stringify(index), { type: INDEX, tag: subject.replace(':', '-') })
  }

  #isAllowed(authorization: string | undefined): boolean {
    const { user, scheme = 'token' } = this.#options
    if (!user) return true
    if (scheme === 'basic') return authorization === basicOf(user)
    return this.#tokens.has(authorization?.replace(/^Bearer /, '') ?? '')
  }

  #challenge(response: ServerResponse): void {
    const bearer = `Bearer realm="${this.origin}/token",service="registry",scope="repository:models/vad:pull,push"`
    const header = this.#options.scheme === 'basic' ? 'Basic realm="registry"' : bearer
    this.send(response, 401, '{"errors":[{"code":"UNAUTHORIZED"}]}', { 'www-authenticate': header })
  }

  #token({ url = '', headers }: IncomingMessage, response: ServerResponse): void {
    const { user } = this.#options
    const scope = new URL(url, this.origin).searchParams.get('scope')
    const isKnown = user !== undefined && headers.authorization === basicOf(user)
    const token = randomUUID()
    const isGranted = isKnown && /^repository:models\/vad:pull(?:,push)?$/.test(scope ?? '')
    if (isGranted) this.#tokens.add(token)
    this.send(response, isGranted ? 200 : 401, JSON.stringify(isGranted ? { token } : { errors: [] }))
  }

  #descriptor({ mediaType = ORAS_FILE, annotations, content }: Layer): object {
    const digest = sha256(content)
    this.blobs.set(digest, content)
    return { mediaType, digest, size: content.length, ...(annotations ? { annotations } : {}) }
  }
}

export function sha256(content: Uint8Array): string {
  return `sha256:${createHash('sha256').update(content).digest('hex')}`
}

function basicOf({ name, password }: { readonly name: string; readonly password: string }): string {
  return `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`
}
