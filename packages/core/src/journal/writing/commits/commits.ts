import { join } from 'node:path'
import type { ModelSealError } from '../../../errors.ts'
import { checkpointText } from '../../../merkle/checkpoint.ts'
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
import { CommitTree, signatureFault, signedCheckpoint, type CheckpointKey } from '../../reading/commits/commit-tree.ts'
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
  /** The newest one that this writer has made or verified. */
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

  /**
   * The newest commit. Those after the last one that this writer has seen are read and verified before anything is added, because whoever signs
   * a tree vouches for all that is in it: each is the next leaf of the tree before it, and the key signed the newest. Who signed that did the
   * same, so that the key signed every one.
   *
   * @throws {@link ModelSealError} `JOURNAL_INVALID`; what the operating system reports
   */
  *newest(): FileWork<Commit | undefined> {
    this.#seen ??= yield* this.#search()
    let newest = this.#seen
    const tree = new CommitTree(this.#key, newest && { size: newest.index + 1, frontier: newest.frontier })
    const heads: SegmentHead[] = []
    for (;;) {
      const index = tree.size
      const next: Commit | undefined = yield* this.#read(index)
      if (!next) break
      const fault = tree.add(next)
      if (fault) throw this.#invalid(index, fault.problem)
      newest = next
      if (this.#byOthers.has(next.leaf.segment)) heads.push(next.leaf)
    }
    if (newest && newest !== this.#seen) this.#checkSigned(newest)
    for (const head of heads) this.#byOthers.set(head.segment, head)
    if (yield* exists(this.#packPath(Math.floor(tree.size / PACKED)))) {
      // This writer slept. Otherwise, the next one is packed by nobody who has the key.
      this.#signed((yield* this.#packedAt(tree.size)) ?? '', tree.size)
      this.#seen = undefined
      return yield* this.newest()
    }
    // Meanwhile, this writer may have added one.
    if ((newest?.index ?? -1) > (this.#seen?.index ?? -1)) this.#seen = newest
    return this.#seen
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
    const single = largest((yield* fileNames(join(path, COMMITS))).flatMap((name) => commitIn(name) ?? []))
    const pack = largest((yield* fileNames(join(path, HEADS))).flatMap((name) => packIn(name) ?? []))
    const index = Math.max(single, (pack + 1) * PACKED - 1)
    if (index < 0) return undefined
    const text = index === single ? yield* this.#textOf(index) : undefined
    if (text !== undefined) return this.#signed(text, index)
    // Another writer may have removed it, because it is packed.
    return this.#signed((yield* this.#packedAt(index)) ?? '', index)
  }

  *#read(index: number): FileWork<Commit | undefined> {
    const text = yield* this.#textOf(index)
    return text === undefined ? undefined : this.#parsed(text, index)
  }

  #parsed(text: string, index: number): Commit {
    const read = readCommit(text)
    if (!('commit' in read)) throw this.#invalid(index, read.fault)
    return read.commit
  }

  /** A commit of which nothing is known but that the key of the journal signed its tree. */
  #signed(text: string, index: number): Commit {
    const commit = this.#parsed(text, index)
    this.#checkSigned(commit)
    const isComplete = subtreesOf(index + 1).length === commit.frontier.length
    const checkpoint = signedCheckpoint(commit.note, this.#key)
    if (commit.index !== index) throw this.#invalid(index, 'it has another number')
    if (checkpoint?.size !== index + 1 || !isComplete || !treeOf(commit).root().equals(checkpoint.root))
      throw this.#invalid(index, 'its checkpoint is not over its hashes')
    return commit
  }

  #checkSigned(commit: Commit): void {
    const fault = signatureFault(commit, this.#key)
    if (fault) throw this.#invalid(commit.index, fault.problem)
  }

  get #key(): CheckpointKey {
    const { file, key } = this.#journal
    return { origin: originOf(file), key: key.publicKey }
  }

  /** A commit must not be built on one that somebody changed, or added without the key. */
  #invalid(index: number, fault: string): ModelSealError {
    return invalidJournal(this.#journal.path, `the commit ${index} is invalid: ${fault}`, {
      hint: 'Run "modelseal journal verify", keep the directory as evidence, and name another directory.',
    })
  }

  /** A writer that slept may take a number whose commit was packed and removed. Its own is removed then. */
  *#isAnother(index: number, text: string): FileWork<boolean> {
    const line = yield* this.#packedAt(index)
    if (line === undefined || line === text) return false
    // Whoever has no key cannot keep the commits of this writer from the journal in this way without being noticed.
    yield* remove(this.#path(index))
    this.#signed(line, index)
    return true
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

  /** The line of a commit in its pack, if that exists. */
  *#packedAt(index: number): FileWork<string | undefined> {
    const lines = yield* this.#packed(Math.floor(index / PACKED))
    return lines && `${lines[index % PACKED]}\n`
  }

  /** The lines of a pack. */
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
