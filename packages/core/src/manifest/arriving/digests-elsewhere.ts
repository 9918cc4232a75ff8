import { at } from '../../at.ts'
import type { WantedDigests } from '../../hashing/arriving/piece-hasher.ts'
import { checkedDigests, type HashElsewhere, type WantedDigest } from '../../hashing/elsewhere.ts'

/** A file of a source whose version is known, so that another machine reads the same bytes. */
interface VersionedFile {
  name: string
  /** In bytes. */
  size: number
  version: string
}

interface Elsewhere {
  hash: HashElsewhere
  signal: AbortSignal | undefined
  /** Counts bytes that were hashed. */
  count: (bytes: number) => void
}

/**
 * Has files of a source hashed somewhere else.
 *
 * @returns for each file, what hashing it here would have found: for each kind of digest that is wanted, those of its parts
 * @throws {@link ModelSealError} `WORKER_FAILED` (digests that are none), and what `hash` throws
 */
export async function digestsElsewhere(
  files: readonly VersionedFile[],
  kinds: readonly WantedDigests[],
  { hash, signal, count }: Elsewhere,
): Promise<string[][][]> {
  if (files.length === 0) return []
  const parts = files.map(({ size }) => kinds.map((kind) => partsOf(size, kind)))
  const asked = files.map(({ name, size, version }, index) => ({
    place: { name },
    size,
    version,
    wanted: at(parts, index).flat(),
  }))
  let counted = 0
  const onProgress = (done: number): void => {
    count(done - counted)
    counted = done
  }
  const found = checkedDigests(asked, await hash({ files: asked, signal, onProgress }))
  return parts.map((ofFile, index) => {
    let next = 0
    return ofFile.map(({ length }) => at(found, index).slice(next, (next += length)))
  })
}

function partsOf(size: number, { hashType, partBytes }: WantedDigests): WantedDigest[] {
  if (partBytes === Infinity) return [{ hashType, start: 0, end: size }]
  const parts: WantedDigest[] = []
  for (let start = 0; start < size; start += partBytes)
    parts.push({ hashType, start, end: Math.min(start + partBytes, size) })
  return parts
}
