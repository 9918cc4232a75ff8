import { existsSync, mkdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** In memory where there is such a place: some targets write thousands of files a second. */
const MEMORY = '/dev/shm'
/** All threads of a process have the same one. */
const SCRATCH = join(existsSync(MEMORY) ? MEMORY : tmpdir(), `modelseal-fuzz-${process.pid}`)

/** An empty directory for a target. */
export function scratchOf(target: string): string {
  const directory = join(SCRATCH, target)
  rmSync(directory, { recursive: true, force: true })
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  return directory
}

/** Threads that are terminated remove nothing: whoever starts them does. */
export function removeScratch(): void {
  rmSync(SCRATCH, { recursive: true, force: true })
}
