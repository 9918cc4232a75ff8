import { opendir, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { foreignFileSystem } from './file-system.ts'
import { checkPrivate } from './ownership.ts'
import { realPlace } from './real-path.ts'
import { isAbandoned } from './sign-of-life.ts'

/** As `mkdtemp` names private directories; with a dash behind it while it is being removed. */
const NAME = /^modelseal-[A-Za-z0-9]{6}-?$/

/** Entries of a directory for temporary files that are looked at: it may have any number. */
const MAX_ENTRIES = 20_000
/** Private directories that are asked for a sign of life, one after the other. */
const MAX_ASKED = 256
/** A process that lives long, and whose threads are ended, looks again after this time: 10 minutes. */
const INTERVAL_MS = 10 * 60 * 1000

const looks = new Map<string, { at: number; done: Promise<void> }>()

/**
 * Removes the private directories in a place that processes left which were killed; now and then only. Never one that is in
 * use, that somebody else owns or could have exchanged, or that has never shown a sign of life; and nothing on
 * a file system that other machines share, since their sockets seem dead from here. A failure is nobody's loss.
 */
export function removeAbandoned(place: string): Promise<void> {
  const now = performance.now()
  const last = looks.get(place)
  if (last && now - last.at < INTERVAL_MS) return last.done
  const done = lookIn(place).catch(() => {
    // A directory that cannot be listed can still be used.
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
    // What is checked here stays what it is: nobody else can move or replace it. And directories of others, of which there may
    // be any number, do not count.
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
