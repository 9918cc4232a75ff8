import type { FollowedFeed } from '../followed-feed.ts'
import { fetchFeed, type Asking, type Looked } from './fetch-feed.ts'
import type { TufFeed } from './tuf-feed.ts'

/** Where a feed is fetched from. */
export class FeedPlace {
  #tuf: TufFeed | undefined

  /**
   * Fetches a feed, unless it has not changed.
   *
   * @param etag identifies the version that is known
   * @throws {@link ModelSealError} as `fetchFeed` and {@link TufFeed}
   */
  async look(followed: FollowedFeed, etag: string | undefined, asking: Asking): Promise<Looked> {
    const { tuf, source } = followed
    if (!tuf) return fetchFeed(source, etag, asking)
    const { TufFeed } = await import('./tuf-feed.ts')
    this.#tuf ??= new TufFeed(tuf, followed)
    return this.#tuf.look(etag, asking)
  }
}
