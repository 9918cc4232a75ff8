import { createHash } from 'node:crypto'
import { chmodSync, rmSync } from 'node:fs'
import { realpath } from 'node:fs/promises'
import { join } from 'node:path'
import { messageOf } from '@modelseal/core/any-realm'
import { makeCacheFolder, type OpenedJournal } from '@modelseal/core/journal'
import { SCHEMA, SCHEMA_VERSION } from './schema.ts'
import { openDatabase } from './sqlite.ts'
import { Statements } from './statements.ts'

/** How long to wait for another process that brings the same index up to date. */
const PATIENCE_MS = 600_000
/** Memory for pages of the database, in KiB. */
const PAGES_KIB = 32 * 1024

/** The path of the index of a journal, in the private cache of this user. */
export async function indexPath({ directory, file }: OpenedJournal): Promise<string> {
  const folder = await makeCacheFolder('journals')
  const place = createHash('sha256')
    .update(await realpath(directory))
    .digest('hex')
    .slice(0, 16)
  return join(folder, `${file.id}-${place}.sqlite`)
}

/** Opens an index. One that another version wrote, or that is damaged, is built anew. */
export function openIndex(path: string): Statements {
  try {
    return opened(path)
  } catch (error) {
    // Another process is working with it.
    if (/locked|busy/.test(messageOf(error))) throw error
    removeIndex(path)
    return opened(path)
  }
}

export function removeIndex(path: string): void {
  for (const suffix of ['', '-journal', '-wal', '-shm']) rmSync(`${path}${suffix}`, { force: true })
}

function opened(path: string): Statements {
  const statements = new Statements(openDatabase(path))
  try {
    if (process.platform !== 'win32') chmodSync(path, 0o600)
    statements.exec(`pragma busy_timeout = ${PATIENCE_MS}; pragma synchronous = normal; pragma cache_size = -${PAGES_KIB};
      pragma temp_store = file; pragma trusted_schema = off;`)
    // In a transaction, because another process may create it at the same time.
    statements.exec('begin immediate')
    const version = statements.get<{ user_version: number }>('pragma user_version')?.user_version
    if (version === 0) statements.exec(SCHEMA)
    else if (version !== SCHEMA_VERSION) throw new Error('another version')
    statements.exec('commit')
    return statements
  } catch (error) {
    statements.close()
    throw error
  }
}
