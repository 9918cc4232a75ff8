import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ModelSealError } from '../../../errors.ts'
import { makePrivateDirectory } from '../../../source/private/private-directory.ts'
import { tufFault } from '../../../verification/tuf/fault.ts'
import { TUF_ROOT_FILE } from '../../../verification/tuf/repository.ts'
import { readPolicyFile } from '../../reading/policy-file.ts'
import { MAX_FEED_BYTES } from '../feed-statement.ts'
import type { FollowedFeed, TufPlace } from '../followed-feed.ts'
import { tooLarge, type Asking, type Looked } from './fetch-feed.ts'
import { TufDownload } from './tuf-download.ts'
import { keepTufMetadata, readTufMetadata, type TufMetadata } from './tuf-metadata.ts'

const ROOT = {
  ...TUF_ROOT_FILE,
  hint: 'Give the path of the root.json that the operator of the TUF repository published.',
}

/** A feed that is a target of a TUF repository. */
export class TufFeed {
  readonly #place: TufPlace
  readonly #feed: Pick<FollowedFeed, 'id' | 'source'>
  /** As of the last time that all of it was valid. */
  #metadata: { anchor: Buffer; files: TufMetadata } | undefined

  constructor(place: TufPlace, feed: Pick<FollowedFeed, 'id' | 'source'>) {
    this.#place = place
    this.#feed = feed
  }

  /**
   * Fetches the feed by the client workflow of TUF (1.0.33, section 5), which `tuf-js` implements, unless it has not changed.
   *
   * @param etag the SHA-256 of the target that is known, as an entity tag
   * @throws {@link ModelSealError} `TUF_*`, `HTTP_UNREACHABLE`, `HTTP_TIMEOUT`, `HTTP_RESPONSE`, `HTTP_REDIRECT`, `ADVISORY_TOO_LARGE`,
   * `COPY_FAILED`, and what reading the root metadata throws
   */
  async look(etag: string | undefined, asking: Asking): Promise<Looked> {
    const { url, root } = this.#place
    const anchor = await readPolicyFile(root, ROOT)
    const before = this.#metadata
    const isSame = before?.anchor.equals(anchor) === true
    const files = isSame ? before.files : await readTufMetadata(this.#feed.id, anchor)
    const directory = await makePrivateDirectory()
    const download = new TufDownload({ url, directory: directory.files }, files, asking)
    try {
      return await this.#content(etag, directory.files, { anchor, before: files, download })
    } catch (cause) {
      // The library keeps only the text of some errors.
      if (download.failure) throw download.failure
      throw cause instanceof ModelSealError ? cause : tufFault(cause, url)
    } finally {
      await directory.remove()
    }
  }

  async #content(
    etag: string | undefined,
    directory: string,
    { anchor, before, download }: { anchor: Buffer; before: TufMetadata; download: TufDownload },
  ): Promise<Looked> {
    const { Updater } = await import('tuf-js')
    const { url, target, targets } = this.#place
    const metadataDir = join(directory, 'metadata')
    await mkdir(metadataDir)
    for (const [name, bytes] of before) await writeFile(join(metadataDir, name), bytes)
    // 5.2. Later roots are verified one after the other, those that were kept, too.
    await writeFile(join(metadataDir, 'root.json'), anchor)
    const updater = new Updater({ metadataDir, metadataBaseUrl: url, targetBaseUrl: targets, fetcher: download })
    const info = await updater.getTargetInfo(target)
    await this.#keep(anchor, before, new Map([...(await metadataIn(metadataDir)), ...download.roots]))
    if (!info) throw new Error(`Missing ${target} in targets`)
    if (info.length > MAX_FEED_BYTES) throw tooLarge(this.#feed.source)
    const { sha256 } = info.hashes
    const found = sha256 === undefined ? undefined : `"${sha256}"`
    if (found !== undefined && found === etag) return { bytes: undefined, etag }
    return { bytes: await readFile(await updater.downloadTarget(info, join(directory, 'target'))), etag: found }
  }

  async #keep(anchor: Buffer, before: TufMetadata, files: TufMetadata): Promise<void> {
    // Another attempt was faster: it may have seen later metadata.
    if (this.#metadata && this.#metadata.anchor.equals(anchor) && this.#metadata.files !== before) return
    this.#metadata = { anchor, files }
    const isChanged = [...files].some(([name, bytes]) => before.get(name)?.equals(bytes) !== true)
    // If it cannot be kept, neither can the feed, which is reported.
    if (isChanged) await keepTufMetadata(this.#feed.id, anchor, files).catch(ignored)
  }
}

/** All metadata there, including kept later roots, but not the anchor. */
async function metadataIn(directory: string): Promise<[string, Buffer][]> {
  const names = (await readdir(directory)).filter((name) => name !== 'root.json')
  return Promise.all(
    names.map(async (name): Promise<[string, Buffer]> => [name, await readFile(join(directory, name))]),
  )
}

function ignored(error: unknown): void {
  if (!(error instanceof ModelSealError)) throw error
}
