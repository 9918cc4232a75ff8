import type { StatementSync } from 'node:sqlite'
import type { Cell, Database } from './sqlite.ts'

/** Prepared statements of a database, by their text. */
export class Statements {
  readonly #database: Database
  readonly #prepared = new Map<string, StatementSync>()

  constructor(database: Database) {
    this.#database = database
  }

  run(sql: string, ...cells: Cell[]): { changes: number; id: number } {
    const { changes, lastInsertRowid } = this.#of(sql).run(...cells.map(whole))
    return { changes: Number(changes), id: Number(lastInsertRowid) }
  }

  // eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- the caller knows the columns
  get<Row extends object>(sql: string, ...cells: Cell[]): Row | undefined {
    return this.#of(sql).get(...cells.map(whole)) as Row | undefined
  }

  all<Row extends object>(sql: string, ...cells: Cell[]): Row[] {
    return this.#of(sql).all(...cells.map(whole)) as Row[]
  }

  exec(sql: string): void {
    this.#database.exec(sql)
  }

  /** Runs work that is written completely or not at all. */
  async transaction<Result>(work: () => Promise<Result>): Promise<Result> {
    this.exec('begin immediate')
    try {
      const result = await work()
      this.exec('commit')
      return result
    } catch (error) {
      // On a full disk, SQLite has done so itself.
      if (this.#database.isTransaction) this.exec('rollback')
      throw error
    }
  }

  close(): void {
    this.#prepared.clear()
    this.#database.close()
  }

  #of(sql: string): StatementSync {
    const known = this.#prepared.get(sql)
    if (known) return known
    const prepared = this.#database.prepare(sql)
    this.#prepared.set(sql, prepared)
    return prepared
  }
}

/** SQLite returns a text only up to its first NUL. */
function whole(cell: Cell): Cell {
  return typeof cell === 'string' && cell.includes('\0') ? cell.replaceAll('\0', '\u2400') : cell
}
