import { parseCheckpoint, type Checkpoint } from '../../../merkle/checkpoint.ts'
import { isNoteSignedBy } from '../../../merkle/signed-note.ts'
import { GrowingTree, hashLeaf, subtreesOf } from '../../../merkle/tree.ts'
import { leafBytes, type Commit } from '../../format/commit.ts'
import type { OpenedJournal } from '../open-journal.ts'

/** Where reading commits begins: at the first, or after one that was read before. */
export interface CommitsRead {
  /** Number of commits. */
  size: number
  /** The complete subtrees over their leaves, in hex, the largest first. */
  frontier: readonly string[]
}

/** Why a commit does not hold. */
export interface CommitFault {
  kind: 'commit' | 'signature' | 'missing' | 'unreadable'
  problem: string
}

/** What a journal's checkpoints are verified with. */
export type CheckpointKey = Pick<OpenedJournal, 'origin' | 'key'>

const NO_COMMITS: CommitsRead = { size: 0, frontier: [] }

/** The tree over the heads of a journal's segments, which grows from commit to commit. */
export class CommitTree {
  readonly #tree: GrowingTree
  readonly #origin: string

  constructor({ origin }: CheckpointKey, { size, frontier }: CommitsRead = NO_COMMITS) {
    const hash = (hex = '') => Buffer.from(hex, 'hex')
    this.#tree = new GrowingTree(subtreesOf(size).map(({ level }, at) => ({ level, hash: hash(frontier[at]) })))
    this.#origin = origin
  }

  get size(): number {
    return this.#tree.size
  }

  /** Adds the next commit. @returns why it cannot be that, if it cannot: the tree is of no further use then */
  add(commit: Commit | undefined): CommitFault | undefined {
    const index = this.size
    const fault = (problem: string): CommitFault => ({ kind: 'commit', problem })
    if (commit?.index !== index) return fault(`expected the commit ${index}, found ${commit?.index ?? 'none'}`)
    this.#tree.add(hashLeaf(leafBytes(commit.leaf)))
    const frontier = this.#tree.subtrees.map((hash) => hash.toString('hex'))
    if (frontier.join() !== commit.frontier.join()) return fault('its tree is not that of the commits before it')
    const { checkpoint } = parseCheckpoint(commit.note) ?? {}
    if (!checkpoint) return fault('its note is not a checkpoint')
    if (checkpoint.origin !== this.#origin) return fault('its checkpoint is that of another journal')
    if (checkpoint.size !== index + 1 || !checkpoint.root.equals(this.#tree.root()))
      return fault('its checkpoint is over another tree')
    return undefined
  }
}

/** @returns why the note of a commit does not count, if it does not */
export function signatureFault({ note }: Pick<Commit, 'note'>, key: CheckpointKey): CommitFault | undefined {
  if (signedCheckpoint(note, key)) return undefined
  return { kind: 'signature', problem: 'its checkpoint is not signed by the key of the journal' }
}

/** The checkpoint of this journal in a note, if its key signed it. */
export function signedCheckpoint(note: string, { origin, key }: CheckpointKey): Checkpoint | undefined {
  const { checkpoint, note: signed } = parseCheckpoint(note) ?? {}
  return checkpoint?.origin === origin && signed && isNoteSignedBy(signed, origin, key) ? checkpoint : undefined
}
