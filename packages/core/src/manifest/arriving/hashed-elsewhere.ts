import { at } from '../../at.ts'
import type { WantedDigests } from '../../hashing/arriving/piece-hasher.ts'
import { checkedDigests, type HashElsewhere } from '../../hashing/elsewhere.ts'
import type { SourceEntry } from '../../source/model-source.ts'
import type { SizeLimit } from '../../source/size-limit.ts'
import { partsOf } from '../serialization.ts'
import type { ArrivalProgress } from './arrival-progress.ts'
import type { Comparison } from './comparison.ts'

/** What is known of the files of a source before they are read. */
interface Stated {
  /** Entries of the listing, by name. */
  announced: ReadonlyMap<string, SourceEntry>
  /** That all files are read at. */
  revision: string | undefined
  comparison: Comparison
  limit: SizeLimit | undefined
}

interface Elsewhere {
  hash: HashElsewhere
  signal: AbortSignal | undefined
  progress: ArrivalProgress
  wanted: readonly WantedDigests[]
}

/** A file and, for each kind of digest that is wanted, those of its parts. */
interface HashedFile {
  name: string
  /** In bytes. */
  size: number
  found: string[][]
}

/**
 * Has files of a source hashed somewhere else, if their size and version are known, so that another machine reads the same bytes.
 *
 * @returns what hashing them here would have found; nothing for those that must be hashed here
 * @throws {@link ModelSealError} `WORKER_FAILED` (digests that are none), `FILE_TOO_LARGE`, and what `hash` and the comparison throw
 */
export async function hashedElsewhere(
  names: readonly string[],
  { announced, revision, comparison, limit }: Stated,
  { hash, signal, progress, wanted: kinds }: Elsewhere,
): Promise<HashedFile[]> {
  const files = names.flatMap((name) => {
    const expected = comparison.expected(name)?.size
    const { size, version = revision } = announced.get(name) ?? {}
    if (size === undefined || version === undefined) return []
    if (expected !== undefined && expected !== size)
      throw comparison.wrongSize(name, { expected, found: `${size} bytes, as its source states` })
    limit?.admit(name, size)
    const parts = kinds.map(({ hashType, partBytes }) =>
      partsOf(size, partBytes).map((part) => ({ hashType, ...part })),
    )
    return { place: { name }, size, version, wanted: parts.flat(), counts: parts.map(({ length }) => length) }
  })
  if (files.length === 0) return []
  const count = progress.start(files.reduce((sum, { size }) => sum + size, 0))
  let counted = 0
  const onProgress = (done: number): void => {
    count(done - counted)
    counted = done
  }
  const asked = files.map(({ place, size, version, wanted }) => ({ place, size, version, wanted }))
  const digests = checkedDigests(files, await hash({ files: asked, signal, onProgress }))
  return files.map(({ place: { name }, size, counts }, index) => {
    let next = 0
    return { name, size, found: counts.map((length) => at(digests, index).slice(next, (next += length))) }
  })
}
