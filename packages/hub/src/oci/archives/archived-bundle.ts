import type { Receive } from '@modelseal/core/source'
import type { Archive } from '../artifact.ts'
import type { Repository } from '../repository.ts'
import { ArchiveLimit } from './archive-limit.ts'
import { entriesOf, type ArchiveEntry } from './archive-entries.ts'

/** A file to look for in archives. */
interface ArchivedBundle {
  /** At the root of the model. */
  readonly name: string
  /** How many bytes of other files may come before it, in all archives together. Nobody has judged the model yet. */
  readonly room: number
  readonly signal: AbortSignal
}

interface NamedBundles {
  readonly isNamed: (name: string) => boolean
  /** How many bytes of files are read, these included: they are kept in memory. */
  readonly room: number
}

/** Reads a bundle from the beginning of an archive, if it is there. */
export async function readArchivedBundle(
  repository: Repository,
  archives: readonly Archive[],
  { name, signal, room }: ArchivedBundle,
  receive: Receive,
): Promise<void> {
  let left = room
  await readBeginning(repository, archives, signal, async (entry) => {
    if (entry.name === name) {
      await receive({ size: entry.size, chunks: entry.chunks })
      return false
    }
    left -= entry.size
    return left >= 0
  })
}

/** The bundles at the beginning of archives, by their names. The first one of a name counts. */
export async function archivedBundles(
  repository: Repository,
  archives: readonly Archive[],
  { isNamed, room }: NamedBundles,
): Promise<ReadonlyMap<string, Buffer>> {
  const found = new Map<string, Buffer>()
  let left = room
  await readBeginning(repository, archives, undefined, async ({ name, size, chunks }) => {
    left -= size
    if (left < 0) return false
    if (!isNamed(name) || found.has(name)) return true
    const pieces: Uint8Array[] = []
    for await (const piece of chunks) pieces.push(piece)
    found.set(name, Buffer.concat(pieces))
    return true
  })
  return found
}

/** Only their beginnings are read, so that their sizes do not matter. */
const UNLIMITED = new ArchiveLimit(Infinity)

/** @param visit false if nothing more is needed */
async function readBeginning(
  repository: Repository,
  archives: readonly Archive[],
  signal: AbortSignal | undefined,
  visit: (entry: ArchiveEntry) => Promise<boolean>,
): Promise<void> {
  const search = { isOver: false }
  for (const archive of archives) {
    const what = `beginning of the layer ${archive.digest}`
    await repository.blob(archive, { what, signal, isChecked: true }, async ({ chunks }) => {
      for await (const entry of entriesOf(archive, chunks, UNLIMITED)) {
        search.isOver = !(await visit(entry))
        if (search.isOver) return
      }
    })
    if (search.isOver) return
  }
}
