import { readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import {
  commitFile,
  commitIn,
  COMMITS,
  HEADS,
  largest,
  PACKED,
  packFile,
  packIn,
  writeCommit,
  type Commit,
} from '@modelseal/core/journal'
import { removeTemporaries, syncDirectory, writeWhole } from '../durable.ts'

/** Stores commits durably, which follow those that are stored. Complete packs are written at once. */
export async function storeCommits(directory: string, commits: readonly Commit[]): Promise<void> {
  for (let at = 0; at < commits.length;) {
    const { index = 0 } = commits[at] ?? {}
    const pack = commits.slice(at, at + PACKED - (index % PACKED))
    const isWhole = pack.length === PACKED
    if (isWhole) await writePack(directory, index / PACKED, pack.map(writeCommit).join(''))
    else await writeSingle(directory, pack)
    const next = index + pack.length
    if (!isWhole && next % PACKED === 0) await packSingle(directory, next / PACKED - 1)
    at += pack.length
  }
}

/**
 * Removes what a killed process left behind: packed commits that are still in files of their own, and those after one that is missing, which
 * was not confirmed to the host.
 *
 * @returns the number of those
 */
export async function repairCommits(directory: string): Promise<number> {
  await removeTemporaries(join(directory, COMMITS))
  await removeTemporaries(join(directory, HEADS))
  const packs = (await readdir(join(directory, HEADS))).flatMap((name) => packIn(name) ?? [])
  let expected = (largest(packs) + 1) * PACKED
  let removed = 0
  for (const index of (await readdir(join(directory, COMMITS)))
    .flatMap((name) => commitIn(name) ?? [])
    .sort((a, b) => a - b)) {
    if (index === expected) expected += 1
    else await rm(join(directory, COMMITS, commitFile(index)))
    if (index > expected) removed += 1
  }
  return removed
}

async function writeSingle(directory: string, commits: readonly Commit[]): Promise<void> {
  for (const commit of commits)
    await writeWhole(join(directory, COMMITS, commitFile(commit.index)), writeCommit(commit))
  await syncDirectory(join(directory, COMMITS))
}

async function writePack(directory: string, pack: number, text: string): Promise<void> {
  await writeWhole(join(directory, HEADS, packFile(pack)), text)
  await syncDirectory(join(directory, HEADS))
}

async function packSingle(directory: string, pack: number): Promise<void> {
  const files = Array.from({ length: PACKED }, (_, at) => join(directory, COMMITS, commitFile(pack * PACKED + at)))
  const texts: string[] = []
  for (const file of files) texts.push(await readFile(file, 'utf8'))
  await writePack(directory, pack, texts.join(''))
  for (const file of files) await rm(file)
}
