import { parseDocument, isMap, isSeq } from 'yaml'
import { ModelSealError, shown, withHint } from '../../errors.ts'
import * as s from '../../schema/define.ts'
import { parseChecked } from '../reading/parse-policy.ts'
import { parseDuration } from '../schema/duration.ts'
import { durationSchema } from '../schema/text.ts'
import { detailsOf, listEntries, periodOf, type ListedEntry } from './entries.ts'
import { deniedSchema, feedNameSchema, type Denied } from './feed-schema.ts'

/** Room for some hundred thousand entries. */
export const MAX_SOURCE_BYTES = 32 * 1024 * 1024

const sourceSchema = s.strictObject({
  $schema: s.string().optional().describe('For editors.'),
  feed: feedNameSchema,
  expires: durationSchema,
  denied: deniedSchema,
})

/** Every version would have expired when it is signed. */
const newSourceSchema = sourceSchema.withCheck(({ expires }, report) => {
  const duration = parseDuration(expires)
  if (duration && duration.months === 0 && duration.milliseconds === 0)
    report({ path: ['expires'], message: 'expected a duration that is not zero', input: expires })
})

/** What the next version of a feed will say. Its number and its times come with the signature. */
export interface FeedSource {
  /** Name or URI of the feed. */
  feed: string
  /** How long a signed version is valid, such as `7d`. */
  expires: string
  /** Everything that it denies. */
  denied: Denied
}

/**
 * Parses the source of a feed: YAML, or JSON if the name ends in `.json`.
 *
 * @throws {@link ModelSealError} `ADVISORY_INVALID`, with line and column
 */
export async function parseFeedSource(bytes: Uint8Array, path: string): Promise<FeedSource> {
  const parsed = await parseChecked(bytes, { path, what: 'source of the advisory feed' }, sourceSchema)
  if ('file' in parsed) return parsed.file
  throw looksSigned(bytes)
    ? withHint(
        parsed.problems[0],
        'This is a signed feed, which cannot be edited or signed as a source. Name its source.',
      )
    : parsed.problems[0]
}

/** A bundle begins with one of its fields. */
function looksSigned(bytes: Uint8Array): boolean {
  return /^\s*\{\s*"(?:mediaType|dsseEnvelope|verificationMaterial)"/.test(
    Buffer.from(bytes.subarray(0, 200)).toString(),
  )
}

/**
 * Writes a source that denies nothing yet.
 *
 * @throws {@link ModelSealError} `INVALID_ARGUMENT`
 */
export function newFeedSource({ feed, expires }: Omit<FeedSource, 'denied'>, path: string): string {
  const checked = newSourceSchema.check({ feed, expires, denied: {} })
  if ('issues' in checked) {
    const [{ path: field, message, input }] = checked.issues
    throw new ModelSealError('INVALID_ARGUMENT', `Invalid value for ${shown(String(field[0]))}.`, {
      expected: message.replace(/^expected /, ''),
      found: shown(String(input)),
    })
  }
  if (path.endsWith('.json')) return `${JSON.stringify({ feed, expires, denied: {} }, null, 2)}\n`
  return `# The source of an advisory feed. "modelseal advisory sign" makes the signed feed of it.
# It lists everything that is denied: what is removed from it is accepted again.
feed: ${JSON.stringify(feed)}

# How long services may rely on a signed version. Sign again before that, even if nothing has changed.
expires: ${expires}

denied: {}
`
}

/** What an edit changed. */
export interface FeedEdit {
  /** The new text of the source. */
  text: string
  added: readonly ListedEntry[]
  /** Those that were there already, and have another period, reason or severity now. */
  changed: readonly ListedEntry[]
  removed: readonly ListedEntry[]
}

/**
 * Adds entries to a source. Comments stay.
 *
 * @param replace whether one that denies what another entry denies already replaces it
 * @throws {@link ModelSealError} `ADVISORY_INVALID`
 */
export async function withEntries(
  bytes: Uint8Array,
  path: string,
  entries: Denied,
  replace: boolean,
): Promise<FeedEdit> {
  const before = await placesIn(bytes, path)
  const distinct = await distinctEntries(entries, nameAndPeriod)
  const given = distinct.filter((one) => {
    const places = before.get(one.name)
    return !places || (replace && !places.some((place) => nameAndDetails(place) === nameAndDetails(one)))
  })
  const staying = new Set(distinct.map(nameAndDetails))
  const replaceable = new Map(
    [...before].map(([name, places]) => [name, places.filter((place) => !staying.has(nameAndDetails(place)))]),
  )
  const document = editable(bytes, path)
  for (const { list, name, entry } of given) {
    const place = replaceable.get(name)?.shift()
    const node = document.createNode(entry)
    if (place) document.setIn(['denied', list, place.index], node)
    else if (document.hasIn(['denied', list])) document.addIn(['denied', list], node)
    else document.setIn(['denied', list], document.createNode([node]))
  }
  const text = writtenText(document, path)
  // What is written is what will be read.
  await parseFeedSource(Buffer.from(text), path)
  const isThere = ({ name }: ListedEntry) => before.has(name)
  return { text, added: given.filter((one) => !isThere(one)), changed: given.filter(isThere), removed: [] }
}

/**
 * Removes the entries that deny the same as the given ones. Comments stay.
 *
 * @throws {@link ModelSealError} `ADVISORY_INVALID` if the source does not have one of them
 */
export async function withoutEntries(bytes: Uint8Array, path: string, entries: Denied): Promise<FeedEdit> {
  const before = await placesIn(bytes, path)
  const document = editable(bytes, path)
  const found = (await distinctEntries(entries, ({ name }) => name)).flatMap(({ name, description }) => {
    const places = before.get(name)
    if (places) return places
    throw new ModelSealError('ADVISORY_INVALID', `Cannot remove the ${description} from the feed: it is not denied.`, {
      file: path,
      hint: 'The notation does not matter, but the list does: a digest may be that of a model or of a file.',
    })
  })
  // From the last, so that the others keep their places.
  for (const { list, index } of found.toSorted((a, b) => b.index - a.index)) document.deleteIn(['denied', list, index])
  withoutEmptyLists(document)
  const text = writtenText(document, path)
  await parseFeedSource(Buffer.from(text), path)
  return { text, added: [], changed: [], removed: found }
}

/** Several entries may deny the same: the last of those with the same key. */
async function distinctEntries(entries: Denied, keyOf: (one: ListedEntry) => string): Promise<ListedEntry[]> {
  const listed = await listEntries(entries)
  return [...new Map(listed.map((one) => [keyOf(one), one])).values()]
}

function nameAndPeriod(one: ListedEntry): string {
  return `${one.name} ${periodOf(one)}`
}

function nameAndDetails(one: ListedEntry): string {
  return `${one.name} ${detailsOf(one)}`
}

/** An entry, and its position in its list. */
type Place = ListedEntry & { index: number }

/** The entries of a source, by what they deny. */
async function placesIn(bytes: Uint8Array, path: string): Promise<Map<string, Place[]>> {
  const { denied } = await parseFeedSource(bytes, path)
  const places = new Map<string, Place[]>()
  const counts = new Map<string, number>()
  for (const one of await listEntries(denied)) {
    const index = counts.get(one.list) ?? 0
    counts.set(one.list, index + 1)
    places.set(one.name, [...(places.get(one.name) ?? []), { ...one, index }])
  }
  return places
}

/** @param bytes of a valid source */
function editable(bytes: Uint8Array, path: string) {
  const document = parseDocument(Buffer.from(bytes).toString('utf8'))
  const denied: unknown = document.get('denied')
  // Block style: an entry on a line can have a comment.
  if (!path.endsWith('.json') && isMap(denied)) {
    denied.flow = false
    for (const { value } of denied.items) if (isSeq(value)) value.flow = false
  }
  return document
}

function withoutEmptyLists(document: ReturnType<typeof parseDocument>): void {
  const denied: unknown = document.get('denied')
  if (!isMap(denied)) return
  denied.items = denied.items.filter(({ value }) => !isSeq(value) || value.items.length > 0)
  // An empty map has no block style.
  if (denied.items.length === 0) denied.flow = true
}

function writtenText(document: ReturnType<typeof parseDocument>, path: string): string {
  return path.endsWith('.json')
    ? `${JSON.stringify(document.toJS(), null, 2)}\n`
    : document.toString({ lineWidth: 0, flowCollectionPadding: true })
}
