import { opendir, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { monotonic } from '../../real-time.ts'
import { foreignFileSystem } from '../local/file-system.ts'
import { checkPrivate } from './ownership.ts'
import { realPlace } from '../local/real-path.ts'
import { isAbandoned } from './sign-of-life.ts'

/** A name that `mkdtemp` gave to a private directory, with a dash at the end while the directory is being removed. */
const NAME = /^modelseal-[A-Za-z0-9]{6}-?$/

/** Maximum number of entries to look at. A directory for temporary files can have any number. */
const MAX_ENTRIES = 20_000
/** Maximum number of private directories to check for a sign of life. */
const MAX_ASKED = 256
/** How long until a long-running process, whose threads may have ended, looks again: 10 minutes. */
const INTERVAL_MS = 10 * 60 * 1000

const looks = new Map<string, { at: number; done: Promise<void> }>()

/**
 * Removes the private directories that killed processes left in a place, at most once in {@link INTERVAL_MS}. A
 * directory stays if it is in use, if another user owns it or could have replaced it, or if it never showed a sign of
 * life. Nothing is removed on a file system that other machines share, because their sockets appear dead from here.
 * Failures are ignored.
 */
export function removeAbandoned(place: string): Promise<void> {
  const now = monotonic()
  const last = looks.get(place)
  if (last && now - last.at < INTERVAL_MS) return last.done
  const done = lookIn(place).catch(() => {
    // A place that cannot be listed can still be used.
  })
  looks.set(place, { at: now, done })
  return done
}

async function lookIn(place: string): Promise<void> {
  const directory = realPlace(resolve(place)).path
  if (process.platform !== 'linux' || foreignFileSystem(directory) !== undefined) return
  for (const path of await privateDirectories(directory)) {
    if (await isAbandoned(path)) await rm(path, { recursive: true, force: true }).catch(() => {})
  }
}

async function privateDirectories(place: string): Promise<string[]> {
  const found: string[] = []
  let seen = 0
  for await (const entry of await opendir(place, { bufferSize: 1024 })) {
    if (++seen > MAX_ENTRIES || found.length >= MAX_ASKED) break
    if (!entry.isDirectory() || !NAME.test(entry.name)) continue
    const path = join(place, entry.name)
    // After this check, no other user can move or replace the directory. Directories of other users do not count
    // towards the limit, because there can be any number.
    if (isPrivate(path)) found.push(path)
  }
  return found
}

function isPrivate(path: string): boolean {
  try {
    checkPrivate(path)
    return true
  } catch {
    return false
  }
}
