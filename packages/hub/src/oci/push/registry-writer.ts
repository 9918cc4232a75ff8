import { ModelSealError, shown } from '@modelseal/core/errors'
import { collected, type HttpBody, type HttpContent, redirectRule } from '@modelseal/core/http'
import { pushRefused } from '@modelseal/core/publishing'
import type { Addressed, Digest } from '../digest.ts'
import { ociUrl, type OciReference } from '../reference.ts'
import { RegistryClient, type RegistryRequest } from '../registry-client.ts'
import type { WrittenContent } from './model-pack.ts'

const SENT: ReadonlySet<number> = new Set([200, 201, 202, 204])
const STARTED: ReadonlySet<number> = new Set([202])
/** What a registry answers to a write is some words at most. */
const MAX_ANSWER_BYTES = 64 * 1024
const ATTEMPTS = 3

/** What a registry said about a manifest that it stored. */
interface StoredManifest {
  /** True if it lists the manifest as attached to its subject, so that no tag has to. */
  readonly isListed: boolean
}

/** Writes to one repository of a registry (distribution specification 1.1, "Push"). */
export class RegistryWriter {
  readonly #reference: OciReference
  readonly #client: RegistryClient
  readonly #url: string

  constructor(reference: OciReference, signal: AbortSignal | undefined) {
    this.#reference = reference
    this.#client = new RegistryClient(reference, { signal }, 'pull,push')
    this.#url = ociUrl(reference)
  }

  /** Whether the repository has a blob, and of which length. */
  async has({ digest, size }: Addressed, what: string): Promise<boolean> {
    const found = await this.#client.get({ method: 'HEAD', path: `blobs/${digest}`, what }, ({ length }) =>
      Promise.resolve(length ?? size),
    )
    return found === size
  }

  /**
   * Sends a blob in one piece, unless the repository has it.
   *
   * @returns whether it was sent
   * @throws {@link ModelSealError} `PUSH_REFUSED`, and what reading the content and the client throw
   */
  async blob(
    blob: Addressed,
    what: string,
    content: HttpContent & { readonly fault?: Error | undefined },
  ): Promise<boolean> {
    if (await this.#asPush(() => this.has(blob, what))) return false
    for (let attempt = 1; ; attempt += 1) {
      try {
        await this.#upload(blob.digest, what, content)
        return true
      } catch (error) {
        // The network error is only how the end of the content looks from there.
        if (content.fault !== undefined) throw content.fault
        const mayPass = error instanceof ModelSealError && error.code === 'HTTP_UNREACHABLE'
        if (!mayPass || attempt === ATTEMPTS) throw error
      }
    }
  }

  /** @param version a tag or its digest */
  async manifest({ descriptor, bytes }: WrittenContent, version: string, what: string): Promise<StoredManifest> {
    const { mediaType: type } = descriptor
    const content = { type, length: bytes.length, chunks: () => once(bytes) }
    const answer = await this.#sent({ method: 'PUT', path: `manifests/${version}`, what, content, success: SENT })
    const stated = answer.get('docker-content-digest')
    if (stated !== null && stated !== descriptor.digest)
      throw pushRefused(this.#url, `the registry stored a different ${what}`, {
        expected: descriptor.digest,
        found: shown(stated),
      })
    return { isListed: answer.has('oci-subject') }
  }

  /** Ends all running requests. */
  stop(): Promise<void> {
    return this.#client.stop()
  }

  async #upload(digest: Digest, what: string, content: HttpContent): Promise<void> {
    const started = await this.#sent({
      method: 'POST',
      path: 'blobs/uploads/',
      what,
      content: NOTHING,
      success: STARTED,
    })
    const location = await this.#location(started.get('location'), what)
    // Not with append(): it would encode the rest of the query anew, which may be signed.
    location.search += `${location.search === '' ? '?' : '&'}digest=${encodeURIComponent(digest)}`
    await this.#sent({ method: 'PUT', path: location, what, content, success: SENT, mayRepeat: false })
  }

  /** Where to send a blob: subject to the rule for redirects if it is elsewhere, and then without credentials. */
  async #location(given: string | null, what: string): Promise<URL> {
    const { origin, repository } = this.#reference
    const url = given === null ? null : URL.parse(given, `${origin}/v2/${repository}/blobs/uploads/`)
    const refused = (expected: string, found: string) =>
      new ModelSealError('HTTP_REDIRECT', `Cannot send the ${what}: the registry names a place that is not allowed.`, {
        file: this.#url,
        expected,
        found,
        hint: 'Ask the operator of the registry where it stores its blobs.',
      })
    if (!url || !/^https?:$/.test(url.protocol) || url.username !== '' || url.password !== '')
      throw refused('an http or https URL without credentials', 'none that is valid')
    const against = url.origin === origin ? undefined : await redirectRule(origin)(url)
    if (against) throw refused(against.expected, against.found)
    return url
  }

  #sent(request: RegistryRequest): Promise<Headers> {
    return this.#asPush(async () => {
      const headers = await this.#client.get({ ...request, absent: NONE }, async (body: HttpBody) => {
        await collected(`answer to the ${request.what}`, MAX_ANSWER_BYTES, body)
        return body.headers
      })
      return headers ?? new Headers()
    })
  }

  /** A response that refuses a write is the refusal of the push. */
  async #asPush<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      if (!(error instanceof ModelSealError) || error.code !== 'HTTP_RESPONSE') throw error
      const { expected, found, hint } = error
      throw new ModelSealError('PUSH_REFUSED', error.message, { file: this.#url, expected, found, hint, cause: error })
    }
  }
}

const NONE: ReadonlySet<number> = new Set()
const NOTHING: HttpContent = { type: 'application/octet-stream', length: 0, chunks: () => once(Buffer.alloc(0)) }

export async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield await Promise.resolve(bytes)
}
