import { statSync } from 'node:fs'
import { join } from 'node:path'
import { codeOf, messageOf } from '@modelseal/core/any-realm'
import {
  commitAt,
  HeadsBySegment,
  openJournal,
  Problems,
  readCommits,
  segmentIdsIn,
  segmentPath,
  throwIfAborted,
  type CommitsRead,
  type JournalProblem,
  type OpenedJournal,
} from '@modelseal/core/journal'
import { indexPath, openIndex, removeIndex } from './index-file.ts'
import { removeSegment, type SegmentFacts } from './intake.ts'
import { Interned } from './intern.ts'
import { endEarlyEnded, foreignReferences } from './same-writer.ts'
import { Contradiction, SegmentUpdate } from './segment-update.ts'
import type { Statements } from './statements.ts'

interface UpdateOptions {
  /** Key of the host, as `verifyJournal` takes it. */
  key?: string | undefined
  /** True to read the journal completely, whatever the index contains. */
  anew?: boolean | undefined
  signal?: AbortSignal | undefined
}

/** The index of a journal, up to date. */
export interface JournalIndex {
  journal: OpenedJournal
  statements: Statements
}

/**
 * Brings the index of a journal up to date: reads what was appended, and verifies it. If the journal contradicts what was read before, it
 * is read anew, and the contradiction is a problem of the journal from then on.
 */
export async function updateIndex(directory: string, { key, anew, signal }: UpdateOptions): Promise<JournalIndex> {
  const journal = await openJournal(directory, key)
  const path = await indexPath(journal)
  return inTurn(path, () => upToDate(path, journal, { anew, signal }))
}

/** Updates of the same index in this process: SQLite would wait for another one without letting it go on. */
const updates = new Map<string, Promise<unknown>>()

async function inTurn<Result>(path: string, work: () => Promise<Result>): Promise<Result> {
  const turn = (updates.get(path) ?? Promise.resolve()).then(work, work)
  updates.set(path, turn)
  try {
    return await turn
  } finally {
    if (updates.get(path) === turn) updates.delete(path)
  }
}

async function upToDate(path: string, journal: OpenedJournal, { anew, signal }: UpdateOptions): Promise<JournalIndex> {
  if (anew) removeIndex(path)
  try {
    return await opened(path, journal, { signal })
  } catch (error) {
    if (!(error instanceof Contradiction) && !isDamage(error)) throw error
    removeIndex(path)
    return opened(path, journal, { signal, found: error instanceof Contradiction ? error.found : undefined })
  }
}

/** @param found what the journal contradicted before the index was removed */
async function opened(
  path: string,
  journal: OpenedJournal,
  { signal, found }: { signal: AbortSignal | undefined; found?: JournalProblem | undefined },
): Promise<JournalIndex> {
  const statements = openIndex(path)
  try {
    if (found) writeProblem(statements, found)
    await bringUpToDate(journal, statements, signal)
    return { journal, statements }
  } catch (error) {
    statements.close()
    throw error
  }
}

/** SQLite says that the file is not a database, or is damaged. */
function isDamage(error: unknown): boolean {
  return codeOf(error) === 'ERR_SQLITE_ERROR' && /malformed|not a database/.test(messageOf(error))
}

async function bringUpToDate(
  journal: OpenedJournal,
  statements: Statements,
  signal: AbortSignal | undefined,
): Promise<void> {
  await statements.transaction(async () => {
    const known = await knownCommits(journal, statements)
    const problems = new Problems()
    const interned = new Interned(statements)
    const heads = new HeadsBySegment()
    let [read, note] = [known, undefined as string | undefined]
    for await (const { index, leaf, frontier, note: text } of readCommits(journal, {
      from: known,
      each: true,
      problems,
    })) {
      throwIfAborted(signal)
      const wrong = heads.addHead(leaf)
      if (wrong !== undefined) problems.add({ kind: 'commit', file: segmentPath(leaf.segment), index, problem: wrong })
      ;[read, note] = [{ size: index + 1, frontier }, text]
    }
    await updateSegments({ journal, statements, interned, heads, problems, signal })
    endEarlyEnded(statements)
    for (const problem of [...problems.list, ...foreignReferences(statements)]) writeProblem(statements, problem)
    setMeta(statements, 'commits', JSON.stringify(read))
    if (note !== undefined) setMeta(statements, 'note', note)
  })
  // Indexes of other journals may be open at the same time, and a question reads few of the pages.
  statements.exec('pragma shrink_memory')
}

/** The commits that were read before, if the journal still has the last of them. */
async function knownCommits(journal: OpenedJournal, statements: Statements): Promise<CommitsRead> {
  const known = JSON.parse(metaOf(statements, 'commits') ?? '{"size":0,"frontier":[]}') as CommitsRead
  const identity = JSON.stringify([journal.file.id, journal.key.export({ type: 'spki', format: 'pem' })])
  const before = metaOf(statements, 'identity')
  if (before !== undefined && before !== identity)
    throw new Contradiction({
      kind: 'rollback',
      file: 'journal.json',
      problem: 'the journal has another key than when it was read before',
    })
  setMeta(statements, 'identity', identity)
  if (known.size === 0) return known
  const commit = await commitAt(journal, known.size - 1)
  if (commit?.note === metaOf(statements, 'note')) return known
  const problem = `the journal does not have the ${known.size} commits that were read before`
  throw new Contradiction({ kind: 'rollback', file: 'commits', index: known.size - 1, problem })
}

interface Updating {
  journal: OpenedJournal
  statements: Statements
  interned: Interned
  heads: HeadsBySegment
  problems: Problems
  signal: AbortSignal | undefined
}

async function updateSegments({ journal, statements, interned, heads, problems, signal }: Updating): Promise<void> {
  const here = await segmentIdsIn(journal)
  const known = knownFiles(statements)
  for (const id of here) {
    throwIfAborted(signal)
    const file = statSync(join(journal.directory, segmentPath(id)), { throwIfNoEntry: false })
    if (!file) continue
    const { size, mtimeMs: modified } = file
    const before = known.get(id)
    if (before?.size === size && before.modified === modified && !heads.has(id)) continue
    const update = SegmentUpdate.of(id, { journal: journal.file.id, statements, interned })
    await update.run({ directory: journal.directory, heads: heads.get(id), problems }, { size, modified })
  }
  const present = new Set(here)
  for (const facts of statements.all<SegmentFacts>(FACTS)) {
    if (present.has(facts.name)) continue
    const { last } = heads.get(facts.name) ?? {}
    if (last?.retired || metaOf(statements, `retired ${facts.name}`)) removeSegment(statements, facts)
    else missing(statements, facts.name)
  }
  for (const [name, { last }] of heads) {
    if (last?.retired) setMeta(statements, `retired ${name}`, '1')
    else if (!present.has(name)) missing(statements, name)
  }
}

/** Without the states, which may be megabytes each. */
const FACTS = 'select id, name, writer, place, newest, lost, first_day, last_day from segment'

/** Size and time of change of the files that were read before. */
function knownFiles(statements: Statements): Map<string, { size: number; modified: number }> {
  const rows = statements.all<{ name: string; size: number; modified: number }>(
    'select name, size, modified from segment',
  )
  return new Map(rows.map(({ name, ...file }) => [name, file]))
}

function missing(statements: Statements, name: string): void {
  const problem = 'the segment is missing, and no commit says that it was retired'
  writeProblem(statements, { kind: 'missing', file: segmentPath(name), problem })
}

/** Once. */
function writeProblem(statements: Statements, { kind, file, index, problem }: JournalProblem): void {
  const known = statements.get(
    'select 1 from problem where kind = ? and file = ? and number is ?',
    kind,
    file,
    index ?? null,
  )
  if (!known) statements.run('insert into problem values (?, ?, ?, ?)', kind, file, index ?? null, problem)
}

function metaOf(statements: Statements, name: string): string | undefined {
  return statements.get<{ value: string }>('select value from meta where name = ?', name)?.value
}

function setMeta(statements: Statements, name: string, value: string): void {
  statements.run('insert or replace into meta values (?, ?)', name, value)
}
