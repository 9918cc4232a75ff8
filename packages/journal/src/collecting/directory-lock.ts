import { chmodSync } from 'node:fs'
import { join } from 'node:path'
import { ModelSealError, shown } from '@modelseal/core/errors'
import { openDatabase, type Database } from '../index/sqlite.ts'

/** The operating system ends the locks of SQLite with their process, however it ends, and nothing of them is in the file. */
const [BUSY, LOCKED] = [5, 6]
/** For others that take the lock at the same moment, in milliseconds. */
const SHORT_WAIT = 1_000

/** A database that nobody refers to any more would be closed, and its lock with it. */
const held = new Set<Database>()

/** Holds a directory until it is released, or its process ends. */
export interface DirectoryLock {
  release(): void
}

/**
 * Takes a directory for a collector.
 *
 * @throws {@link ModelSealError} `JOURNAL_IN_USE` if another one has it, `JOURNAL_FAILED`
 */
export function lockForCollector(directory: string): DirectoryLock {
  return taken(directory, '.collector.lock', (database) => {
    try {
      // Nothing is written, so no other file is needed.
      database.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE')
    } catch (error) {
      throw busy(error)
        ? inUse(`Cannot collect journals into ${shown(directory)}: another collector uses this directory.`, directory)
        : error
    }
  })
}

/**
 * Takes a journal for sending it to a collector. Several processes can send it to the same one: each request can be repeated. To another one,
 * they would remember what the wrong collector has, and segments that it does not have would be deleted.
 *
 * @throws {@link ModelSealError} `JOURNAL_IN_USE` if another process sends it to another collector, `JOURNAL_FAILED`
 */
export function lockForSending(directory: string, url: string): DirectoryLock {
  return taken(directory, '.push.lock', (database) => {
    const read = () => database.prepare('SELECT url FROM collector').get()?.url
    try {
      database.exec(`PRAGMA busy_timeout = ${SHORT_WAIT}; CREATE TABLE IF NOT EXISTS collector (url TEXT NOT NULL)`)
      if (read() !== url) {
        database.exec('BEGIN EXCLUSIVE; DELETE FROM collector')
        database.prepare('INSERT INTO collector VALUES (?)').run(url)
        database.exec('COMMIT')
      }
      // Whoever reads keeps others from writing.
      database.exec('BEGIN')
      if (read() === url) return
    } catch (error) {
      if (!busy(error)) throw error
    }
    throw inUse(
      `Cannot send the journal ${shown(directory)}: another process sends it to another collector.`,
      directory,
    )
  })
}

function taken(directory: string, name: string, take: (database: Database) => void): DirectoryLock {
  let database: Database | undefined
  try {
    database = openDatabase(join(directory, name))
    // By its name: if another descriptor of the file were closed, the lock would end.
    chmodSync(join(directory, name), 0o600)
    take(database)
  } catch (cause) {
    database?.close()
    if (cause instanceof ModelSealError) throw cause
    throw new ModelSealError('JOURNAL_FAILED', `Cannot lock the directory ${shown(directory)}.`, {
      file: join(directory, name),
      hint: 'Make the directory writable. If the file was damaged, remove it while no other process uses the directory.',
      cause,
    })
  }
  const locked = database
  held.add(locked)
  return {
    release: () => {
      if (held.delete(locked)) locked.close()
    },
  }
}

function busy(error: unknown): boolean {
  const { errcode } = error as { errcode?: unknown }
  return errcode === BUSY || errcode === LOCKED
}

function inUse(message: string, file: string): ModelSealError {
  return new ModelSealError('JOURNAL_IN_USE', message, {
    file,
    hint: 'End the other process, or name another directory.',
  })
}
