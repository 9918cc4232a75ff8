import type * as Sqlite from 'node:sqlite'

export type Database = Sqlite.DatabaseSync
/** A value of a row. */
export type Cell = string | number | bigint | null | Uint8Array

/**
 * Opens a database with the SQLite of Node.js. Node.js 22 warns that its module is experimental; the process does not see this one
 * warning, and every other one as always.
 */
export function openDatabase(path: string): Database {
  const { DatabaseSync } = sqlite()
  return new DatabaseSync(path)
}

let loaded: typeof Sqlite | undefined

function sqlite(): typeof Sqlite {
  if (loaded) return loaded
  const warn = process.emitWarning.bind(process)
  const before = Object.getOwnPropertyDescriptor(process, 'emitWarning')
  const quiet = (warning: string | Error, ...more: [string]): void => {
    if (more[0] !== 'ExperimentalWarning' || !String(warning).startsWith('SQLite ')) warn(warning, ...more)
  }
  // Loading the module warns at once, so nobody else's warning can come in between.
  process.emitWarning = quiet as typeof process.emitWarning
  try {
    loaded = process.getBuiltinModule('node:sqlite')
  } finally {
    if (before) Object.defineProperty(process, 'emitWarning', before)
  }
  return loaded
}
