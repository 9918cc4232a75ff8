import { createHash } from 'node:crypto'
import { access, mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { syncDirectory, writeWhole } from '../durable.ts'
import type { Refused } from './refused.ts'

/** In the directory of a journal. */
export const EVIDENCE = 'evidence'
/** Files of a journal. What others than the owner of the key can repeat or change has places of its own, so that proofs always find one. */
const MOST_FILES = { fork: 100, rollback: 10, other: 10, tail: 10 } as const
/** Bytes of a tail that are kept. */
export const MOST_OF_TAIL = 1024 * 1024

/** Where what contradicts a journal was kept. */
interface Kept {
  file: string
  /** False if it was kept before. */
  isNew: boolean
}

/**
 * Keeps what contradicts a journal, so that it can be examined and shown to others: a signed checkpoint proves what its host did.
 *
 * @returns undefined if there is nothing to keep, or too much was kept already
 */
export async function keepEvidence(directory: string, refused: Refused): Promise<Kept | undefined> {
  const { code, message, evidence } = refused
  if (!evidence) return undefined
  const { kind, ...what } = evidence
  const content = `${JSON.stringify({ code, message, ...what }, undefined, 2)}\n`
  return keep(directory, { kind, content, suffix: '.json' })
}

/** Keeps lines that no checkpoint covers, before others take their place. */
export async function keepTail(directory: string, segment: string, lines: Buffer): Promise<Kept | undefined> {
  return keep(directory, { kind: 'tail', content: lines, suffix: `-${segment}.jsonl` })
}

interface ToKeep {
  kind: keyof typeof MOST_FILES
  content: string | Buffer
  suffix: string
}

async function keep(directory: string, { kind, content, suffix }: ToKeep): Promise<Kept | undefined> {
  const folder = join(directory, EVIDENCE)
  await mkdir(folder, { mode: 0o700, recursive: true })
  const digest = createHash('sha256').update(content).digest('hex').slice(0, 32)
  const file = join(folder, `${kind}-${digest}${suffix}`)
  const exists = await access(file).then(
    () => true,
    () => false,
  )
  if (exists) return { file, isNew: false }
  const kept = (await readdir(folder)).filter((name) => name.startsWith(kind))
  if (kept.length >= MOST_FILES[kind]) return undefined
  await writeWhole(file, content)
  await syncDirectory(folder)
  return { file, isNew: true }
}
