import { withoutSecrets } from '../../secrets.ts'
import { LONGEST_TEXT, type JournalRecord } from './record.ts'

/** If even a record without lists is too long, its texts are cut to this. */
const SHORT_TEXT = 128

/**
 * The text of a record with at most this many bytes. Nothing is refused, because a hostile model must not be able to stay out of
 * the journal: long texts are cut (`…`), and where that is not enough, long lists (`cut: true`).
 */
export function fitted(given: JournalRecord, maxBytes: number, write: (record: unknown) => string): string {
  const record = bounded(given, LONGEST_TEXT) as JournalRecord
  for (;;) {
    const text = write(record)
    if (Buffer.byteLength(text) <= maxBytes) return text
    if (!shorten(record)) return write(bounded(record, SHORT_TEXT))
  }
}

/** A copy whose texts contain no secret, are well-formed and of limited length, without fields that are undefined. */
function bounded(value: unknown, max: number): unknown {
  if (typeof value === 'string') return cutText(withoutSecrets(value), max)
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map((item: unknown) => bounded(item, max))
  const copied = Object.create(null) as Record<string, unknown>
  for (const [name, field] of Object.entries(value)) if (field !== undefined) copied[name] = bounded(field, max)
  return copied
}

function cutText(text: string, max: number): string {
  const cut = text.length <= max ? text : `${text.slice(0, max - 1)}…`
  // RFC 8785 has no lone surrogates. The cut may have made one.
  return cut.toWellFormed()
}

/** Halves the least important lists that are left. */
function shorten(record: JournalRecord): boolean {
  if (record.type !== 'model' && record.type !== 'load') return false
  record.cut = true
  if (record.type === 'model') return halve(record.files)
  const { claims, signers, advisories = [], policy } = record
  return (
    halve(...claims.map(({ inputs = [] }) => inputs)) ||
    halve(...signers.map(({ alternativeNames = [] }) => alternativeNames)) ||
    halve(advisories, policy?.includes ?? []) ||
    halve(claims) ||
    halve(signers)
  )
}

/** All at once: each step costs as much as writing the record. */
function halve(...lists: unknown[][]): boolean {
  const some = lists.filter((list) => list.length > 0)
  for (const list of some) list.length = Math.floor(list.length / 2)
  return some.length > 0
}
