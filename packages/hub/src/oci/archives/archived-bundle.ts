import type { Receive } from '@modelseal/core/source'
import type { Archive } from '../artifact.ts'
import type { Repository } from '../repository.ts'
import { entriesOf } from './archive-entries.ts'

/** A bundle to look for in archives. */
interface ArchivedBundle {
  /** At the root of the model. */
  readonly name: string
  /** How many bytes of other files may come before it, in all archives together. Nobody has judged the model yet. */
  readonly room: number
  readonly signal: AbortSignal
}

/** Reads a bundle from the beginning of an archive, if it is there. */
export async function readArchivedBundle(
  repository: Repository,
  archives: readonly Archive[],
  { name, signal, room }: ArchivedBundle,
  receive: Receive,
): Promise<void> {
  const search = { room, isOver: false }
  for (const archive of archives) {
    const what = `beginning of the layer ${archive.digest}`
    await repository.blob(archive, { what, signal, isChecked: true }, async ({ chunks }) => {
      for await (const entry of entriesOf(archive, chunks)) {
        if (entry.name === name) {
          search.isOver = true
          await receive({ size: entry.size, chunks: entry.chunks })
          return
        }
        search.room -= entry.size
        search.isOver = search.room < 0
        if (search.isOver) return
      }
    })
    if (search.isOver) return
  }
}
