import type { HashType } from '../../hashing/algorithms.ts'
import type { FurtherDigests } from '../../manifest/contents.ts'
import type { RevokedFiles } from '../files/revoked-files.ts'
import type { SeenFiles } from './seen-files.ts'

/** What a load knows of the files that it hands out, besides the signed digests. */
export class LoadedContent {
  /** Root digests that the publisher of an unverified model may have signed; undefined if they were not computed. */
  rootDigests: readonly string[] | undefined
  /** What the publisher of an unverified model signed, if it is on this machine. */
  path: string | undefined
  /** The files that were published with an unverified model, as they were before any was handed out; undefined if that is not known. */
  published: SeenFiles | undefined
  /** The files that are handed out unverified, if they are on this machine. */
  unverified: { root: string; names: ReadonlySet<string>; seen: SeenFiles } | undefined
  /** Digests of whole files by algorithm and name. An unverified file may have been handed out with several contents. */
  #digests = new Map<HashType, Map<string, Set<string>>>()
  /** What later versions of the policies revoke. */
  readonly #later = new Map<object, RevokedFiles>()

  /** The digests of bytes in memory, which have no root digest. */
  static ofBytes(name: string, digests: ReadonlyMap<HashType, string>): LoadedContent {
    const content = new LoadedContent()
    content.rootDigests = []
    for (const [type, digest] of digests) content.#digests.set(type, new Map([[name, new Set([digest])]]))
    return content
  }

  /** Remembers the digests of all files that are judged from now on. Those from before may be of files that were not handed out. */
  recording(further: FurtherDigests): FurtherDigests {
    this.#digests = new Map(further.hashTypes.map((type) => [type, new Map<string, Set<string>>()]))
    return this.#recorded(further)
  }

  /** Like {@link recording}. What later versions revoke also holds for files that are handed out from then on, whatever the algorithm. */
  recordingEach(further: FurtherDigests): FurtherDigests {
    const recorded = this.recording(further)
    const laterTypes = () => [...this.#later.values()].flatMap(({ hashTypes }) => hashTypes)
    return {
      get hashTypes() {
        return [...new Set([...further.hashTypes, ...laterTypes()])]
      },
      check: (name, type, digest) => recorded.check(name, type, digest),
    }
  }

  /** Remembers digests by further algorithms. */
  adding(hashTypes: readonly HashType[]): FurtherDigests {
    for (const type of hashTypes) this.#digests.set(type, new Map())
    return this.#recorded({ hashTypes, check: () => {} })
  }

  /** Digests of the files by their names; undefined if they were not computed with this algorithm. */
  digestsBy(type: HashType): ReadonlyMap<string, ReadonlySet<string>> | undefined {
    return this.#digests.get(type)
  }

  /** Forgets digests that could not be computed completely. */
  drop(hashTypes: readonly HashType[]): void {
    for (const type of hashTypes) this.#digests.delete(type)
  }

  /** From now on, files are also judged by what a later version revokes. @param by whatever has versions */
  alsoBy(by: object, revoked: RevokedFiles): void {
    this.#later.set(by, revoked)
  }

  #recorded(further: FurtherDigests): FurtherDigests {
    const { hashTypes } = further
    return {
      hashTypes,
      check: (name, type, digest) => {
        further.check(name, type, digest)
        const byName = this.#digests.get(type)
        byName?.set(name, (byName.get(name) ?? new Set()).add(digest))
        for (const later of this.#later.values()) later.check(name, type, digest)
      },
    }
  }
}
