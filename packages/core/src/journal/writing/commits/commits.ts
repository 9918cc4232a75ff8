import { join } from 'node:path'
import { checkpointText, parseCheckpoint } from '../../../merkle/checkpoint.ts'
import { GrowingTree, hashLeaf, subtreesOf } from '../../../merkle/tree.ts'
import { monotonic } from '../../../real-time.ts'
import {
  leafBytes,
  MAX_COMMIT,
  MAX_PACK,
  readCommit,
  writeCommit,
  type Commit,
  type SegmentHead,
} from '../../format/commit.ts'
import { originOf } from '../../format/journal-file.ts'
import { commitFile, commitIn, COMMITS, HEADS, largest, PACKED, packFile, packIn } from '../../format/names.ts'
import type { WritableJournal } from '../files/directory.ts'
import { createWhole, exists, fileNames, readIfAny, remove, replaceWhole } from '../files/files.ts'
import { invalidJournal } from '../failures.ts'
import type { FileWork } from '../files/file-work.ts'
import type { WriterSettings } from '../settings/merged-settings.ts'

/** As many other writers may be first. */
const MAX_ATTEMPTS = 64

interface CommitsOptions {
  checkpoints?: () => WriterSettings['checkpoints']
  isContinuous?: boolean
}

/** The tree over the heads of all segments, to which each writer adds its own. */
export class Commits {
  readonly #journal: WritableJournal
  readonly #checkpoints: () => WriterSettings['checkpoints']
  /** Milliseconds that the last signature took. */
  signing = 0
  /** The newest one that this writer has seen. */
  #seen: Commit | undefined
  /** Segments whose last head is committed, or about to be. */
  readonly #ended = new Set<string>()
  /** The last heads that others committed for the segments of this writer. */
  readonly #byOthers = new Map<string, SegmentHead | undefined>()
  readonly #isContinuous: boolean

  /**
   * @param options.checkpoints where the newest checkpoint is written too
   * @param options.isContinuous true to add nothing once a commit was made that this object has not read
   */
  constructor(journal: WritableJournal, { checkpoints = () => [], isContinuous = false }: CommitsOptions = {}) {
    this.#journal = journal
    this.#checkpoints = checkpoints
    this.#isContinuous = isContinuous
  }

  /** The newest commit. Those that follow it are read before anything is added. */
  *newest(): FileWork<Commit | undefined> {
    this.#seen ??= yield* this.#search()
    for (;;) {
      const next: Commit | undefined = yield* this.#read(this.#seen ? this.#seen.index + 1 : 0)
      if (!next) return this.#seen
      this.#seen = next
      if (this.#byOthers.has(next.leaf.segment)) this.#byOthers.set(next.leaf.segment, next.leaf)
    }
  }

  /** From now on, heads are noticed that others commit for a segment. */
  watch(segment: string): void {
    if (!this.#byOthers.has(segment)) this.#byOthers.set(segment, undefined)
  }

  /** {@link Commits.add}, and writes the checkpoint where it leaves the host. */
  *publish(head: SegmentHead): FileWork<Commit | undefined> {
    const commit = yield* this.add(head)
    if (commit) yield* this.#writeOut(commit)
    return commit
  }

  /** One place that fails does not keep the checkpoint from the others. */
  *#writeOut({ note }: Commit): FileWork<void> {
    const failures: unknown[] = []
    for (const { file } of this.#checkpoints()) {
      try {
        yield* replaceWhole(file, note)
      } catch (error) {
        failures.push(error)
      }
    }
    if (failures.length > 0) throw failures[0]
  }

  /**
   * Adds a head of a segment.
   *
   * @returns undefined if other writers were always first: try again later; if the segment ended meanwhile; or if another writer committed
   *   more of it
   * @throws {@link ModelSealError} `JOURNAL_INVALID`; what the operating system reports
   */
  *add(head: SegmentHead): FileWork<Commit | undefined> {
    if (head.end) this.#ended.add(head.segment)
    this.watch(head.segment)
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      if (this.#isContinuous && !this.#seen) return undefined
      const newest = yield* this.newest()
      if (this.#isLate(head)) return undefined
      const commit = this.#next(newest, head)
      const text = writeCommit(commit)
      if (!(yield* createWhole(this.#path(commit.index), text))) continue
      if (yield* this.#isAnother(commit.index, text)) {
        yield* remove(this.#path(commit.index))
        this.#seen = undefined
        continue
      }
      this.#seen = commit
      if ((commit.index + 1) % PACKED === 0) yield* this.#pack(Math.floor(commit.index / PACKED))
      return commit
    }
    return undefined
  }

  /** Nothing follows the end of a segment, and no head is shorter than one before. */
  #isLate({ segment, size, end, retired }: SegmentHead): boolean {
    if (!end && !retired && this.#ended.has(segment)) return true
    const other = this.#byOthers.get(segment)
    return other !== undefined && (other.size > size || other.retired === true || (other.end === true && !retired))
  }

  #next(newest: Commit | undefined, head: SegmentHead): Commit {
    const { file, key } = this.#journal
    const index = newest ? newest.index + 1 : 0
    const tree = treeOf(newest)
    tree.add(hashLeaf(leafBytes(head)))
    const origin = originOf(file)
    const text = checkpointText({ origin, size: tree.size, root: tree.root() })
    const frontier = tree.subtrees.map((hash) => hash.toString('hex'))
    const started = monotonic()
    const note = key.note(text, origin)
    this.signing = monotonic() - started
    return { index, leaf: head, frontier, note }
  }

  *#search(): FileWork<Commit | undefined> {
    const { path } = this.#journal
    const indexes = (yield* fileNames(join(path, COMMITS))).flatMap((name) => commitIn(name) ?? [])
    const newest = indexes.length > 0 ? yield* this.#read(largest(indexes)) : undefined
    if (newest) return newest
    const packs = (yield* fileNames(join(path, HEADS))).flatMap((name) => packIn(name) ?? [])
    if (packs.length === 0) return undefined
    const last = largest(packs)
    const lines = (yield* this.#packed(last)) ?? []
    return this.#checked(`${lines[PACKED - 1] ?? ''}\n`, last * PACKED + PACKED - 1)
  }

  *#read(index: number): FileWork<Commit | undefined> {
    const text = yield* this.#textOf(index)
    return text === undefined ? undefined : this.#checked(text, index)
  }

  /** A commit must not be built on one that is damaged. */
  #checked(text: string, index: number): Commit {
    const read = readCommit(text)
    const fault = 'fault' in read ? read.fault : this.#faultOf(read.commit, index)
    if (fault !== undefined || !('commit' in read))
      throw invalidJournal(this.#journal.path, `the commit ${index} is invalid: ${fault}`, {
        hint: 'Run "modelseal journal verify", keep the directory as evidence, and name another directory.',
      })
    return read.commit
  }

  #faultOf(commit: Commit, index: number): string | undefined {
    const { checkpoint } = parseCheckpoint(commit.note) ?? {}
    const isComplete = subtreesOf(commit.index + 1).length === commit.frontier.length
    if (commit.index !== index) return 'it has another number'
    if (checkpoint?.origin !== originOf(this.#journal.file)) return 'its checkpoint is of another journal'
    if (checkpoint.size !== index + 1 || !isComplete || !treeOf(commit).root().equals(checkpoint.root))
      return 'its checkpoint is not over its hashes'
    return undefined
  }

  /** A writer that slept may take a number whose commit was packed and removed. */
  *#isAnother(index: number, text: string): FileWork<boolean> {
    const packed = yield* this.#packed(Math.floor(index / PACKED))
    return packed !== undefined && `${packed[index % PACKED]}\n` !== text
  }

  /** Idempotent: several writers may do the same. */
  *#pack(pack: number): FileWork<void> {
    for (const one of [pack - 1, pack]) {
      if (one < 0 || (yield* exists(this.#packPath(one)))) continue
      const texts: string[] = []
      for (let index = one * PACKED; index < (one + 1) * PACKED; index++) {
        const text = yield* this.#textOf(index)
        if (text === undefined) return
        texts.push(text)
      }
      yield* replaceWhole(this.#packPath(one), texts.join(''))
    }
    const old = pack - 2
    if (old < 0 || !(yield* exists(this.#packPath(old)))) return
    for (let index = old * PACKED; index < (old + 1) * PACKED; index++) yield* remove(this.#path(index))
  }

  #textOf(index: number): FileWork<string | undefined> {
    return readIfAny(this.#journal.path, `${COMMITS}/${commitFile(index)}`, MAX_COMMIT)
  }

  /** Lines of a pack. */
  *#packed(pack: number): FileWork<string[] | undefined> {
    const text = yield* readIfAny(this.#journal.path, `${HEADS}/${packFile(pack)}`, MAX_PACK)
    return text?.split('\n', PACKED)
  }

  #path(index: number): string {
    return join(this.#journal.path, COMMITS, commitFile(index))
  }

  #packPath(pack: number): string {
    return join(this.#journal.path, HEADS, packFile(pack))
  }
}

function treeOf(commit: Commit | undefined): GrowingTree {
  if (!commit) return new GrowingTree()
  const subtrees = subtreesOf(commit.index + 1)
  return new GrowingTree(
    commit.frontier.map((hash, index) => ({ level: subtrees[index]?.level ?? 0, hash: Buffer.from(hash, 'hex') })),
  )
}
