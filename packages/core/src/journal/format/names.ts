import { randomBytes } from 'node:crypto'

// The files of a journal. Their names sort in the order in which they were created.

export const JOURNAL_FILE = 'journal.json'
export const KEY_FILE = 'host.key'
export const SEGMENTS = 'segments'
export const COMMITS = 'commits'
export const HEADS = 'heads'

/** How many commits are packed in one file. */
export const PACKED = 256

/** The ID of a new segment. */
export function newSegmentId(now = Date.now()): string {
  // A clock before 1970 or after 2286 has no 13 digits.
  const milliseconds = Math.min(Math.max(Math.floor(now), 0), 9_999_999_999_999)
  return `${String(milliseconds).padStart(13, '0')}-${randomBytes(8).toString('hex')}`
}

export function segmentFile(id: string): string {
  return `${id}.jsonl`
}

/** @returns the ID of the segment in a file of this name; undefined if it is another file */
export function segmentIn(file: string): string | undefined {
  return /^(\d{13}-[0-9a-f]{16})\.jsonl$/.exec(file)?.[1]
}

export function commitFile(index: number): string {
  return `${String(index).padStart(10, '0')}.json`
}

/** @returns the number of the commit in a file of this name; undefined if it is another file */
export function commitIn(file: string): number | undefined {
  return numberIn(/^(\d{10})\.json$/, file)
}

/** The file of the commits from `pack * PACKED` on. */
export function packFile(pack: number): string {
  return `${String(pack).padStart(8, '0')}.jsonl`
}

/** @returns the number of the pack in a file of this name; undefined if it is another file */
export function packIn(file: string): number | undefined {
  return numberIn(/^(\d{8})\.jsonl$/, file)
}

/** The largest of any number of numbers, which need not fit on the stack; -1 without any. */
export function largest(numbers: Iterable<number>): number {
  let most = -1
  for (const number of numbers) if (number > most) most = number
  return most
}

function numberIn(name: RegExp, file: string): number | undefined {
  const [, digits] = name.exec(file) ?? []
  return digits === undefined ? undefined : Number(digits)
}
