import { createHash } from 'node:crypto'
import { access, mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { syncDirectory, writeWhole } from './durable.ts'
import type { Refused } from './refused.ts'

/** In the directory of a journal. */
const EVIDENCE = 'evidence'
/** A host that repeats itself is kept once; one that makes up ever new contradictions must not fill the disk. */
const MOST_FILES = 100

/**
 * Keeps what contradicts a journal, so that it can be examined and shown to others: a signed checkpoint proves what its host did.
 *
 * @returns its file; undefined if there is nothing to keep, or too much was kept already
 */
export async function keepEvidence(
  directory: string,
  { code, message, evidence }: Refused,
): Promise<string | undefined> {
  if (!evidence) return undefined
  const content = `${JSON.stringify({ code, message, ...evidence }, undefined, 2)}\n`
  const folder = join(directory, EVIDENCE)
  await mkdir(folder, { mode: 0o700, recursive: true })
  const file = join(folder, `${createHash('sha256').update(content).digest('hex').slice(0, 32)}.json`)
  const exists = await access(file).then(
    () => true,
    () => false,
  )
  if (exists) return file
  if ((await readdir(folder)).length >= MOST_FILES) return undefined
  await writeWhole(file, content)
  await syncDirectory(folder)
  return file
}
