import { open } from 'node:fs/promises'
import { ModelSealError, shown } from '@modelseal/core/errors'
import { commitAt, newestIndex, PACKED, writeCommit, type Commit, type OpenedJournal } from '@modelseal/core/journal'
import { MAX_CONTENT } from '../protocol.ts'

const LINE_FEED = 10

/** Commits that one request can have, up to the end of a pack. */
export async function* batchesOf(commits: AsyncIterable<Commit>): AsyncGenerator<Commit[]> {
  let [batch, bytes]: [Commit[], number] = [[], 0]
  for await (const commit of commits) {
    const { length } = writeCommit(commit)
    if (bytes + length > MAX_CONTENT) {
      yield batch
      ;[batch, bytes] = [[], 0]
    }
    batch.push(commit)
    bytes += length
    if ((commit.index + 1) % PACKED !== 0) continue
    yield batch
    ;[batch, bytes] = [[], 0]
  }
  if (batch.length > 0) yield batch
}

export async function newestCommit(journal: OpenedJournal): Promise<Commit | undefined> {
  const newest = await newestIndex(journal)
  if (newest < 0) return undefined
  const commit = await commitAt(journal, newest)
  if (commit) return commit
  throw damaged(journal, `the commit ${newest} cannot be read`)
}

/** Up to the end of the last complete line. */
export async function completeBytes(path: string, size: number): Promise<number> {
  const handle = await open(path, 'r')
  try {
    const chunk = Buffer.alloc(Math.min(size, MAX_CONTENT))
    const start = size - chunk.length
    const { bytesRead } = await handle.read(chunk, 0, chunk.length, start)
    return start + chunk.subarray(0, bytesRead).lastIndexOf(LINE_FEED) + 1
  } finally {
    await handle.close()
  }
}

/** Why a journal cannot be sent. */
export function damaged({ directory }: OpenedJournal, problem: string): ModelSealError {
  return new ModelSealError('JOURNAL_INVALID', `Cannot send the journal ${shown(directory)}: ${problem}.`, {
    file: directory,
    hint: 'Run "modelseal journal verify" on it, and keep it as evidence.',
  })
}
