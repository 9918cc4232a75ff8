import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Fetcher } from 'tuf-js'
import { ModelSealError } from '../../../errors.ts'
import { monotonic } from '../../../real-time.ts'
import { HttpClient } from '../../../source/http/client.ts'
import { checkedHttpOptions } from '../../../source/http/options.ts'
import { tufFault } from '../../../verification/tuf/fault.ts'
import { MAX_FEED_BYTES } from '../feed-statement.ts'
import { FEED_HINTS, type Asking } from './fetch-feed.ts'
import type { TufMetadata } from './tuf-metadata.ts'

const HINTS = { ...FEED_HINTS, response: 'Check the URL of the TUF repository.' }
/** RFC 9110: some servers do not tell who may not ask what exists. TUF (1.0.33, 5.3.3) then has no later root. */
const ABSENT: ReadonlySet<number> = new Set([403, 404])
const ROOT_NAME = /^[0-9]+\.root\.json$/

/** Where metadata is, and a directory, removed by the caller, for a file that is downloaded for the library. */
interface Places {
  url: string
  directory: string
}

/** Downloads files for `tuf-js`, all of them within the time of one attempt. */
export class TufDownload implements Fetcher {
  /** Why a file could not be downloaded. */
  failure: ModelSealError | undefined
  /** Root metadata by the names of its files. */
  readonly roots = new Map<string, Buffer>()
  readonly #places: Places
  readonly #known: TufMetadata
  readonly #isDetached: boolean
  readonly #ends: number

  /** @param known root metadata in it is not downloaded again */
  constructor(places: Places, known: TufMetadata, { milliseconds, isDetached }: Asking) {
    this.#places = places
    this.#known = known
    this.#isDetached = isDetached
    this.#ends = monotonic() + milliseconds
  }

  async downloadFile<T>(url: string, maxLength: number, handler: (file: string) => Promise<T>): Promise<T> {
    const file = join(this.#places.directory, 'download')
    await writeFile(file, await this.downloadBytes(url, maxLength))
    return handler(file)
  }

  async downloadBytes(url: string, maxLength: number): Promise<Buffer> {
    const name = url.slice(url.lastIndexOf('/') + 1)
    const isRoot = ROOT_NAME.test(name) && url === `${this.#places.url}/${name}`
    const bytes = (isRoot ? this.#known.get(name) : undefined) ?? (await this.#get(url, maxLength, isRoot))
    if (!bytes) {
      const { DownloadHTTPError } = await import('tuf-js/dist/error.js')
      throw new DownloadHTTPError('no such root', 404)
    }
    if (isRoot) this.roots.set(name, bytes)
    return bytes
  }

  async #get(address: string, maxLength: number, isRoot: boolean): Promise<Buffer | undefined> {
    try {
      const url = new URL(address)
      const time = Math.max(1, Math.ceil(this.#ends - monotonic()))
      const limits = checkedHttpOptions({ idleTimeout: time, totalTimeout: time })
      const options = { ...limits, hints: HINTS, detached: this.#isDetached }
      const request = {
        url,
        what: 'file of the TUF repository',
        headers: { 'cache-control': 'no-cache' },
        absent: isRoot ? ABSENT : new Set<number>(),
      }
      return await new HttpClient(url.origin, options, undefined).get(request, ({ chunks }) =>
        this.#upTo(Math.min(maxLength, MAX_FEED_BYTES), chunks),
      )
    } catch (error) {
      if (error instanceof ModelSealError) this.failure = error
      throw error
    }
  }

  async #upTo(most: number, chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
    const received: Uint8Array[] = []
    let length = 0
    for await (const chunk of chunks) {
      length += chunk.length
      if (length > most) throw tufFault(new Error(`one of its files has more than ${most} bytes`), this.#places.url)
      received.push(chunk)
    }
    return Buffer.concat(received)
  }
}
