import { isUtf8 } from 'node:buffer'
import { hash } from 'node:crypto'
import { canonicalJson, isCanonicalJson } from '../../schema/canonical-json.ts'
import { fitted } from './fit.ts'
import { asRecord, type JournalRecord } from './record.ts'

/** Maximum number of bytes of a line, without the line feed. */
export const MAX_LINE = 64 * 1024

/** Sorts after all other names, so that the line is canonical JSON too. */
const MARK = ',"~check":"'
const END = /^,"~check":"([0-9a-f]{16})"\}$/
const END_BYTES = MARK.length + 18

/** A line of a segment as it was written. */
interface WrittenLine {
  /** With the line feed. */
  bytes: Buffer
  /** The check of the next line depends on it. */
  check: string
}

/**
 * The line for a record.
 *
 * @param before check of the line before; for the first line, the ID of the segment
 */
export function writeLine(record: JournalRecord, before: string): WrittenLine {
  const text = fitted(record, MAX_LINE - END_BYTES, canonicalJson).slice(0, -1)
  const check = checkOf(Buffer.from(text), before)
  return { bytes: Buffer.from(`${text}${MARK}${check}"}\n`), check }
}

/**
 * Reads a line that others may have changed.
 *
 * @param line without the line feed
 * @param before check of the line before; for the first line, the ID of the segment
 * @returns its record, or what is wrong with it; and in both cases the check that it states, if it does, by which the line after it can be checked
 */
export function readLine(line: Uint8Array, before: string): { record: JournalRecord; check: string } | FaultyLine {
  const checked = checkLine(line, before)
  if (!('text' in checked)) return checked
  const { text, check } = checked
  const read = recordIn(text)
  return 'record' in read ? { record: read.record, check } : { fault: read.fault, check }
}

interface FaultyLine {
  fault: string
  check?: string
}

/** Checks only that a line follows the one before it, which takes a fraction of the time. */
export function checkLine(line: Uint8Array, before: string): { text: string; check: string } | FaultyLine {
  if (line.length > MAX_LINE) return { fault: `it has more than ${MAX_LINE} bytes` }
  const bytes = Buffer.from(line.buffer, line.byteOffset, line.byteLength)
  const [, check] = END.exec(bytes.toString('latin1', Math.max(0, bytes.length - END_BYTES))) ?? []
  if (check === undefined) return { fault: 'it does not end with a check' }
  const content = bytes.subarray(0, -END_BYTES)
  if (check !== checkOf(content, before))
    return { fault: 'it was changed, or is not the line that followed the one before', check }
  if (!isUtf8(content)) return { fault: 'it is not UTF-8', check }
  return { text: `${content.toString()}}`, check }
}

/** @param text JSON of a record, without the check of its line */
function recordIn(text: string): { record: JournalRecord } | { fault: string } {
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch {
    return { fault: 'it is not JSON' }
  }
  const read = asRecord(parsed)
  if ('record' in read && !isCanonicalJson(text, parsed)) return { fault: 'it is not canonical JSON' }
  return read
}

function checkOf(content: Uint8Array, before: string): string {
  return hash('sha256', Buffer.concat([Buffer.from(before), content]), 'hex').slice(0, 16)
}
