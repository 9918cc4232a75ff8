import { ModelSealError, shown } from '../../../errors.ts'
import type { Checkpoint } from '../../../merkle/checkpoint.ts'
import { consistencyProof, provesConsistency } from '../../../merkle/proofs.ts'
import { hashLeaf, hashNode } from '../../../merkle/tree.ts'
import { leafBytes, type Commit } from '../../format/commit.ts'
import { signedCheckpoint } from '../commits/commit-tree.ts'
import type { OpenedJournal } from '../open-journal.ts'
import { commitAt, newestIndex } from '../commits/read-commits.ts'

/** A checkpoint of a journal, with the note that its key signed. */
export interface JournalCheckpoint extends Checkpoint {
  note: string
}

/**
 * The newest checkpoint of a journal. What it covers is not verified.
 *
 * @returns undefined if there is none yet
 * @throws {@link ModelSealError} `JOURNAL_INVALID` if it is not signed by the key of the journal; `FILE_UNREADABLE`
 */
export async function newestCheckpoint(journal: OpenedJournal): Promise<JournalCheckpoint | undefined> {
  const index = await newestIndex(journal)
  return index < 0 ? undefined : checkpointAt(journal, index + 1)
}

/**
 * The checkpoint of a journal when it had so many commits.
 *
 * @throws {@link ModelSealError} `JOURNAL_INVALID` if the commit is gone, or is not signed by the key of the journal
 */
export async function checkpointAt(journal: OpenedJournal, size: number): Promise<JournalCheckpoint> {
  const { note } = await commitOf(journal, size - 1)
  const checkpoint = signedCheckpoint(note, journal)
  if (checkpoint?.size === size) return { ...checkpoint, note }
  throw broken(journal, `the commit ${size - 1} has no checkpoint that its key signed`)
}

/**
 * Proves that the journal has only grown since it had `earlier` commits (RFC 6962 2.1.2). Reads a few commits, however many there are.
 *
 * @param earlier from 1
 * @throws {@link ModelSealError} `JOURNAL_INVALID` if it has not
 */
export async function proofOfGrowth(
  journal: OpenedJournal,
  earlier: number,
  newest: JournalCheckpoint,
): Promise<Buffer[]> {
  const asked: [number, number][] = []
  const unknown = Buffer.alloc(32)
  consistencyProof((level, index) => (asked.push([level, index]), unknown), earlier, newest.size)
  const nodes = new Map<string, Buffer>()
  for (const [level, index] of asked) nodes.set(`${level}/${index}`, await subtreeHash(journal, level, index))
  const proof = consistencyProof((level, index) => nodes.get(`${level}/${index}`) ?? unknown, earlier, newest.size)
  if (provesConsistency(proof, await checkpointAt(journal, earlier), newest)) return proof
  throw broken(journal, `its first ${earlier} commits are not those that its newest checkpoint covers`)
}

/** The hash over 2^level commits, from what the last two of them state. */
async function subtreeHash(journal: OpenedJournal, level: number, index: number): Promise<Buffer> {
  const last = (index + 1) * 2 ** level - 1
  const leaf = hashLeaf(leafBytes((await commitOf(journal, last)).leaf))
  // Before its last leaf, the subtree consists of one complete subtree on each lower level: the last ones of the frontier.
  const { frontier } = level === 0 ? { frontier: [] } : await commitOf(journal, last - 1)
  const lower = frontier.slice(frontier.length - level).toReversed()
  return lower.reduce((hash, left) => hashNode(Buffer.from(left, 'hex'), hash), leaf)
}

async function commitOf(journal: OpenedJournal, index: number): Promise<Commit> {
  const commit = await commitAt(journal, index)
  if (commit?.index === index) return commit
  throw broken(journal, `the commit ${index} is missing or invalid`)
}

function broken({ directory }: OpenedJournal, reason: string): ModelSealError {
  return new ModelSealError('JOURNAL_INVALID', `Cannot rely on the journal ${shown(directory)}: ${reason}.`, {
    file: directory,
    hint: 'Run "modelseal journal verify", and keep the directory as evidence.',
  })
}
