import { join } from 'node:path'
import { ModelSealError, sentenceOf } from '../../../errors.ts'
import { readSmallFile } from '../../../source/read-small-file.ts'
import { MAX_COMMIT, MAX_PACK, readCommit, writeCommit, type Commit } from '../../format/commit.ts'
import { commitFile, commitIn, COMMITS, HEADS, largest, PACKED, packFile, packIn } from '../../format/names.ts'
import { CommitTree, signatureFault, type CommitFault, type CommitsRead } from './commit-tree.ts'
import { listedNames } from '../listed-names.ts'
import type { OpenedJournal } from '../open-journal.ts'
import type { Problems } from '../problems.ts'

export interface CommitReading {
  from?: CommitsRead
  /**
   * False if only the last signature is verified, which covers all leaves before it, but not that the key signed each: for commits that were
   * verified before.
   */
  each: boolean
  problems: Problems
}

/**
 * Reads the commits of a journal in their order, and verifies each: that the tree grows from leaf to leaf, and that the key signed its root.
 * It ends at the first that does not hold, because nothing after it can be verified.
 */
export async function* readCommits(
  journal: OpenedJournal,
  { from, each, problems }: CommitReading,
): AsyncGenerator<Commit> {
  const tree = new CommitTree(journal, from)
  let last: Commit | undefined
  const complain = (fault: CommitFault, { index }: { index: number }) => {
    problems.add({ ...fault, index, file: fileOf(index) })
  }
  for await (const { commit, index, fault } of commitsFrom(journal, tree.size)) {
    const wrong = fault ?? tree.add(commit) ?? (each ? signatureFault(commit, journal) : undefined)
    if (wrong || !commit) {
      if (wrong) complain(wrong, { index })
      break
    }
    last = commit
    yield commit
  }
  const unsigned = each || !last ? undefined : signatureFault(last, journal)
  if (last && unsigned) complain(unsigned, last)
}

/** One commit, without those before it. @returns undefined if it is gone or is not a commit */
export async function commitAt(journal: OpenedJournal, index: number): Promise<Commit | undefined> {
  for await (const { commit } of commitsFrom(journal, index)) return commit
  return undefined
}

/**
 * The number of the newest commit, as the names of the files say; -1 if there is none.
 *
 * @throws {@link ModelSealError} `FILE_UNREADABLE`
 */
export async function newestIndex({ directory }: Pick<OpenedJournal, 'directory'>): Promise<number> {
  // In this order, one that is packed meanwhile is found in its pack.
  const single = largest(await numbersIn(join(directory, COMMITS), commitIn))
  const pack = largest(await numbersIn(join(directory, HEADS), packIn))
  return Math.max(single, (pack + 1) * PACKED - 1)
}

type Found = { index: number } & ({ commit: Commit; fault?: undefined } | { commit?: undefined; fault: CommitFault })

/** The path of a commit for people: where it is before it is packed. */
function fileOf(index: number): string {
  return `${COMMITS}/${commitFile(index)}`
}

/** Packed commits first, then single ones. */
async function* commitsFrom({ directory }: OpenedJournal, start: number): AsyncGenerator<Found> {
  const single = await numbersIn(join(directory, COMMITS), commitIn)
  for (let index = start; ;) {
    const pack = await packedFrom(directory, index)
    if (pack) {
      for (const found of pack) {
        yield (await differing(directory, found, single)) ?? found
        index += 1
      }
      continue
    }
    const found = await foundAt(directory, index)
    if (!found && (await isMissing(directory, index)))
      yield { index, fault: { kind: 'missing', problem: 'the commit is missing, but later ones exist' } }
    if (!found) return
    yield found
    index += 1
  }
}

/** A name that is listed is that of a commit, or of a later one: where it leads nowhere, the commit is missing. */
async function isMissing(directory: string, index: number): Promise<boolean> {
  if ((await newestIndex({ directory })) < index) return false
  // A writer may have added it meanwhile.
  return !(await foundAt(directory, index))
}

async function foundAt(directory: string, index: number): Promise<Found | undefined> {
  return (await singleAt(directory, index)) ?? (await packedFrom(directory, index))?.[0]
}

async function numbersIn(directory: string, numberOf: (name: string) => number | undefined): Promise<Set<number>> {
  const names = await listedNames(directory)
  return new Set(names.flatMap((name) => numberOf(name) ?? []))
}

/** The commits of a pack from an index on; undefined if they are not packed. */
async function packedFrom(directory: string, index: number): Promise<Found[] | undefined> {
  const pack = Math.floor(index / PACKED)
  const text = await textOf(join(directory, HEADS, packFile(pack)), MAX_PACK)
  if (text === undefined) return undefined
  const first = pack * PACKED
  if ('fault' in text) return [{ index, fault: text.fault }]
  const lines = text.text.split(/(?<=\n)/)
  if (lines.length !== PACKED)
    return [{ index, fault: { kind: 'commit', problem: `its pack has ${lines.length} lines instead of ${PACKED}` } }]
  return lines.slice(index - first).map((line, at) => parsed(line, index + at))
}

async function singleAt(directory: string, index: number): Promise<Found | undefined> {
  const text = await textOf(join(directory, COMMITS, commitFile(index)), MAX_COMMIT)
  if (text === undefined) return undefined
  return 'fault' in text ? { index, fault: text.fault } : parsed(text.text, index)
}

/** A commit that is packed, and still in a file of its own, is the same in both. */
async function differing(
  directory: string,
  { index, commit }: Found,
  single: ReadonlySet<number>,
): Promise<Found | undefined> {
  if (!single.has(index) || !commit) return undefined
  const text = await textOf(join(directory, COMMITS, commitFile(index)), MAX_COMMIT)
  if (text === undefined || ('text' in text && text.text === writeCommit(commit))) return undefined
  return { index, fault: { kind: 'commit', problem: 'it differs from the packed one' } }
}

function parsed(line: string, index: number): Found {
  const read = readCommit(line)
  return 'commit' in read ? { index, commit: read.commit } : { index, fault: { kind: 'commit', problem: read.fault } }
}

/** @returns undefined if there is no such file */
async function textOf(path: string, maxBytes: number): Promise<{ text: string } | { fault: CommitFault } | undefined> {
  try {
    return { text: String(await readSmallFile(path, { what: 'commit', maxBytes })) }
  } catch (error) {
    if (!(error instanceof ModelSealError)) throw error
    if (error.code === 'FILE_NOT_FOUND') return undefined
    return { fault: { kind: 'unreadable', problem: sentenceOf(error) } }
  }
}
