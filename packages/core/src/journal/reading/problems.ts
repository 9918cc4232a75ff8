import { shown } from '../../errors.ts'

/** What is wrong with a journal. */
export interface JournalProblem {
  /**
   * `line`: a line was changed, removed or moved, or is not a record. `head`: a segment is not what a commit says. `truncated`: a segment is
   * shorter than a commit says. `missing`: a segment or commit is gone. `commit`: a commit was changed. `signature`: a checkpoint is not
   * signed by the key. `rollback`: the journal does not contain what a checkpoint that left the host covers. `key`: the private key in the directory is another one,
   * or was changed. `reference`: a writer continues a segment of another one, or refers to a load in it. `unreadable`: a file cannot be read.
   */
  kind:
    'line' | 'head' | 'truncated' | 'missing' | 'commit' | 'signature' | 'rollback' | 'key' | 'reference' | 'unreadable'
  /** Path in the directory of the journal. */
  file: string
  /** Number of the record in its segment, or of the commit, from 0. */
  index?: number
  /** What was expected and found. */
  problem: string
}

/** Nobody reads more. */
const MOST_PROBLEMS = 100

/** The first problems, and how many there are. */
export class Problems {
  readonly list: JournalProblem[] = []
  #count = 0

  get count(): number {
    return this.#count
  }

  add(problem: JournalProblem): void {
    this.#count += 1
    if (this.list.length < MOST_PROBLEMS) this.list.push(problem)
  }
}

/** One line for people. */
export function problemLine({ kind, file, index, problem }: JournalProblem): string {
  const what = kind !== 'commit' && file.startsWith('segments/') ? 'record' : 'commit'
  return `${shown(file)}${index === undefined ? '' : `, ${what} ${index}`}: ${problem}`
}
