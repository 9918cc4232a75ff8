import { createHash } from 'node:crypto'
import { faultsIn, readBy } from '../../attestation/kinds/kind.ts'
import { Fields } from '../../bundle/fields.ts'
import { strictJsonSteps } from '../../bundle/json.ts'
import { ModelSealError, shown } from '../../errors.ts'
import type { Schema } from '../../schema/schema.ts'
import { withoutPrototype } from '../../snapshot.ts'
import { eachOf, type Steps } from '../../source/turns.ts'
import { faultyPeriod } from '../revocations/schema.ts'
import { canonicalJson } from '../../schema/canonical-json.ts'
import { DENIED_LISTS, DENIED_ENTRIES, headerSchema, type Denied } from './feed-schema.ts'
import { FEED_TYPE } from './feed-type.ts'

const STATEMENT_TYPE = 'https://in-toto.io/Statement/v1'

/** Largest size of a feed in bytes: some half a million root digests. */
export const MAX_FEED_BYTES = 64 * 1024 * 1024
/** Entries of all lists together. */
const MAX_ENTRIES = 1_000_000
/** Each pattern is compiled, and compared with every name of every signer. Anything else is looked up. */
const MAX_PATTERNS = 1_000
/** A million entries of seven values. */
const MAX_VALUES = 8_000_000

/** What an advisory feed says. */
export interface FeedContent {
  /** Name or URI of the feed. */
  feed: string
  /** Number of the version. A later version has a higher one. */
  sequence: number
  /** When it was signed: RFC 3339. */
  issued: string
  /** When a service may no longer rely on it: RFC 3339. */
  expires: string
  /** Everything that it denies. */
  denied: Denied
}

/** One version of an advisory feed. */
export interface AdvisoryFeed extends FeedContent {
  /** SHA-256 of the signed statement in lowercase hex. */
  digest: string
}

/**
 * Reads the statement of an advisory feed. It lists everything that is denied, so a part that is not understood refuses all of it.
 *
 * @param payload bytes that do not change meanwhile
 * @throws {@link ModelSealError} `ADVISORY_INVALID`, `ADVISORY_TOO_LARGE`, `JSON_*`
 * @throws {@link LibraryNeeded}, so call it in `withLibraries()`
 */
export function* feedSteps(payload: Uint8Array, file?: string): Steps<AdvisoryFeed> {
  if (payload.length > MAX_FEED_BYTES) throw feedTooLarge(file, `${MAX_FEED_BYTES} bytes`, `${payload.length} bytes`)
  const json = yield* strictJsonSteps(payload, { what: 'advisory feed', file, maxValues: MAX_VALUES })
  const statement = new Fields(json, { code: 'ADVISORY_INVALID', file })
  checkTypes(statement, file)
  statement.only('_type', 'subject', 'predicateType', 'predicate').object('predicate')
  const { denied: lists, ...header } = statement.raw('predicate') as Record<string, unknown>
  // Only an escape can stand for half a character: the text is valid UTF-8.
  const hasEscapes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength).includes('\\u')
  const fault = faultsIn('ADVISORY_INVALID', CANNOT, file)
  const read = readBy(headerSchema, header, fault)
  if (hasEscapes && !isWellFormed(read.feed)) throw fault('feed', 'Unicode text', undefined)
  const content = withoutPrototype({ ...read, denied: yield* deniedSteps(lists, { file, hasEscapes }) })
  const [subject, ...others] = statement.objects('subject')
  if (!subject || others.length > 0) throw statement.fault('subject', 'exactly one subject')
  const digest = yield* hashSteps(predicatePieces(content))
  // The signature covers both. A reader who knows only in-toto sees what the statement is about.
  if (subject.string('name') !== content.feed || subject.object('digest').string('sha256') !== digest) {
    throw new ModelSealError('ADVISORY_INVALID', `${CANNOT}: its subject is not its content.`, {
      file,
      expected: `${shown(content.feed)} with the SHA-256 ${digest} of the canonical JSON of the predicate`,
      found: `${shown(subject.string('name'))} with ${shown(subject.object('digest').string('sha256'))}`,
    })
  }
  return withoutPrototype({ ...content, digest: yield* digestSteps(payload) })
}

const CANNOT = 'Cannot use the advisory feed'

function checkTypes(statement: Fields, file: string | undefined): void {
  for (const [name, expected] of [
    ['_type', STATEMENT_TYPE],
    ['predicateType', FEED_TYPE],
  ] as const) {
    const found = statement.string(name)
    if (found === expected) continue
    throw new ModelSealError('ADVISORY_INVALID', `${CANNOT}: it is another kind of statement.`, {
      file,
      expected,
      found: shown(found),
      hint: 'If it is a feed of a later version, update modelseal.',
    })
  }
}

/** @param hasEscapes whether the text may have characters that are not valid in UTF-8, written as escapes */
function* deniedSteps(
  lists: unknown,
  { file, hasEscapes }: { file: string | undefined; hasEscapes: boolean },
): Steps<Denied> {
  const fields = new Fields(lists, { code: 'ADVISORY_INVALID', file }, 'denied').only(...DENIED_LISTS)
  const fault = faultsIn('ADVISORY_INVALID', CANNOT, file)
  const denied = withoutPrototype<Partial<Record<keyof Denied, unknown[]>>>({})
  let [entries, patterns] = [0, 0]
  for (const list of DENIED_LISTS) {
    if (!fields.has(list)) continue
    const given = fields.array(list)
    entries += given.length
    if (entries > MAX_ENTRIES) throw feedTooLarge(file, `${MAX_ENTRIES} entries`, 'more')
    const read: unknown[] = (denied[list] = [])
    const schema: Schema<string | object> = DENIED_ENTRIES[list]
    yield* eachOf(given, (item, index) => {
      const path = `denied.${list}[${index}]`
      const entry = readBy(schema, item, (field, expected, found) =>
        fault(field === '' ? path : `${path}.${field}`, expected, found),
      )
      const until = faultyPeriod(entry)
      if (until) throw fault(`${path}.until`, until.message, until.input)
      if (hasEscapes && !isWellFormed(entry)) throw fault(path, 'Unicode text', undefined)
      if (isPattern(entry) && ++patterns > MAX_PATTERNS)
        throw feedTooLarge(file, `${MAX_PATTERNS} identities that are patterns`, 'more')
      read.push(entry)
    })
  }
  return denied as Denied
}

/**
 * JSON can contain half a surrogate pair, which has no canonical form (RFC 8785, 3.2.2.2).
 *
 * @param value an entry that its schema accepts, which has no other values than texts, or a part of one
 */
function isWellFormed(value: string | object): boolean {
  return typeof value === 'string' ? value.isWellFormed() : Object.values(value).every(isWellFormed)
}

function isPattern(entry: string | object): boolean {
  const { identity, issuer } = entry as { identity?: unknown; issuer?: unknown }
  return typeof identity === 'object' || typeof issuer === 'object'
}

/** @param found what is known about its size */
export function feedTooLarge(file: string | undefined, limit: string, found: string): ModelSealError {
  return new ModelSealError('ADVISORY_TOO_LARGE', 'Cannot read the advisory feed: it is too large.', {
    file,
    expected: `at most ${limit}`,
    found,
  })
}

/** The refusal of a version on which nobody may rely any more. */
export function feedExpired({ feed, expires }: FeedContent, file: string | undefined): ModelSealError {
  return new ModelSealError('ADVISORY_STALE', `Cannot use the advisory feed ${shown(feed)}: it has expired.`, {
    file,
    expected: 'a version that is still valid',
    found: `one that expired at ${expires}`,
    hint: 'Get the current version from its publisher. If there is none, the publisher has to sign again.',
  })
}

/**
 * Writes the statement of a feed: the same bytes for the same content, in whatever order it lists its entries, so that several signers
 * sign the same statement.
 *
 * @param content what {@link feedSteps} would accept
 */
export function writeFeedStatement({ denied, ...header }: FeedContent): Buffer {
  const lists = Object.entries(denied).filter(([, entries]) => entries.length > 0)
  const content: FeedContent = { ...header, denied: Object.fromEntries(lists.map(sorted)) }
  const pieces = [...predicatePieces(content)]
  const digest = createHash('sha256')
  for (const piece of pieces) digest.update(piece)
  const subject = [{ name: header.feed, digest: { sha256: digest.digest('hex') } }]
  const statement = JSON.stringify({ _type: STATEMENT_TYPE, subject, predicateType: FEED_TYPE })
  return Buffer.from(`${statement.slice(0, -1)},"predicate":${pieces.join('')}}`)
}

function sorted([list, entries]: [string, readonly unknown[]]): [string, unknown[]] {
  const byText = new Map(entries.map((entry) => [canonicalJson(entry), entry]))
  return [list, [...byText.keys()].sort().map((text) => byText.get(text))]
}

/** SHA-256 in hex. */
function* hashSteps(pieces: Iterable<string | Uint8Array>): Steps<string> {
  const hash = createHash('sha256')
  let hashed = 0
  for (const piece of pieces) {
    hash.update(piece)
    hashed += piece.length
    if (hashed < PIECE) continue
    hashed = 0
    yield
  }
  return hash.digest('hex')
}

/** SHA-256 in hex of bytes that may be many. */
export function digestSteps(bytes: Uint8Array): Steps<string> {
  return hashSteps(piecesOf(bytes))
}

/** Takes about a millisecond to hash. */
const PIECE = 512 * 1024

function* piecesOf(bytes: Uint8Array): Generator<Uint8Array> {
  for (let start = 0; start < bytes.length; start += PIECE) yield bytes.subarray(start, start + PIECE)
}

/** The canonical JSON of the predicate. In pieces, because it may be long. */
function* predicatePieces({ feed, sequence, issued, expires, denied }: FeedContent): Generator<string> {
  const header = canonicalJson({ feed, sequence, issued, expires })
  let before = '{"denied":{'
  for (const list of DENIED_LISTS.toSorted()) {
    const entries = denied[list]
    if (!entries) continue
    yield `${before}"${list}":[`
    for (let start = 0; start < entries.length; start += ENTRIES_PER_PIECE) {
      const piece = canonicalJson(entries.slice(start, start + ENTRIES_PER_PIECE)).slice(1, -1)
      yield start === 0 ? piece : `,${piece}`
    }
    before = '],'
  }
  // Sorted: "denied" is the first field.
  yield `${before.replace(',', '')}},${header.slice(1)}`
}

/** A piece of entries is written in a fraction of a millisecond, and long enough to be hashed at once. */
const ENTRIES_PER_PIECE = 64
