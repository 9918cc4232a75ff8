import { createHash } from 'node:crypto'
import { lstatSync } from 'node:fs'
import { join } from 'node:path'
import { wholeFile, type HashJob } from '../hashing/hash-file.ts'
import { OwnThreads } from '../hashing/threads/own-threads.ts'
import { hashPool } from '../hashing/pool.ts'
import type { FoundFile } from '../source/local/source-file.ts'
import { listFiles } from './list-files.ts'
import { openLocalSource } from '../source/local/local-source.ts'

/** One job for each whole file of a directory, in the order of their names. */
export async function jobsOf(directory: string, keep = false): Promise<HashJob[]> {
  const files = await listFiles(await openLocalSource(directory), { ignored: () => false, followLinks: false })
  files.sort((a, b) => (a.name < b.name ? -1 : 1))
  return files.map((file) => wholeFile(file, keep))
}

/** Files of a directory, as `findFiles()` returns them. */
export function foundIn(path: string, ...names: string[]): FoundFile[] {
  const { dev, ino } = lstatSync(path, { bigint: true })
  const directory = { path, root: path, dev, ino }
  return names.map((name) => ({ name, path: join(path, name), directory }))
}

/** The pool that the core creates. */
export function ownPool(): OwnThreads {
  const pool = hashPool()
  if (!(pool instanceof OwnThreads)) throw new Error('The program supplied its own pool.')
  return pool
}

export function sha256(content: Uint8Array): string {
  return createHash('sha256').update(content).digest('hex')
}
