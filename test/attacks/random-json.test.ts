import { isDeepStrictEqual } from 'node:util'
import { expect, test } from 'vitest'
import { parseBundle } from '../../packages/core/src/bundle/bundle.ts'
import { strictJsonSteps } from '../../packages/core/src/bundle/json.ts'
import { ModelSealError, type ErrorCode } from '../../packages/core/src/errors.ts'
import { atOnce } from '../../packages/core/src/source/turns.ts'
import { plainJson } from './plain-json.ts'
import { attackRuns } from '../../packages/core/src/testing/runs.ts'
import { firstSeed, Random, reproducing } from './random.ts'

// The payload is cut out of the JSON of a bundle, and JSON is parsed in pieces. Neither may ever return a
// different result than a plain parser of the whole text: each random text yields the same values, or both refuse it.

const RUNS = attackRuns(150)
const SEED = firstSeed()

/** Codes that refuse valid JSON for its size. */
const TOO_MUCH: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['JSON_TOO_COMPLEX', 'BUNDLE_TOO_LARGE'])

/** @returns undefined if the text is refused; `tooMuch` if it exceeded a limit */
function outcomeOf<T>(parse: () => T): { value: T } | { refused: 'tooMuch' | 'invalid' } {
  try {
    return { value: parse() }
  } catch (error) {
    if (error instanceof ModelSealError) return { refused: TOO_MUCH.has(error.code) ? 'tooMuch' : 'invalid' }
    if (error instanceof SyntaxError || error instanceof TypeError) return { refused: 'invalid' }
    throw error
  }
}

function expectAlike(ours: () => unknown, plain: () => unknown, seed: number): 'accepted' | 'refused' {
  const [found, expected] = [outcomeOf(ours), outcomeOf(plain)]
  if ('refused' in found && found.refused === 'tooMuch') return 'refused'
  if (!isDeepStrictEqual(found, expected)) {
    const told = [found, expected].map((one) => ('value' in one ? 'accepted' : 'refused')).join(', the plain parser ')
    throw new Error(`${reproducing(seed)} Ours ${told}, or another value.`)
  }
  return 'value' in found ? 'accepted' : 'refused'
}

test('a bundle is read as by a plain parser of the whole text', { timeout: 0 }, () => {
  const outcomes: string[] = []
  for (let seed = SEED; seed < SEED + RUNS; seed++) {
    const bytes = randomBundle(new Random(seed))
    outcomes.push(
      expectAlike(
        () => partsOf(parseBundle(bytes)),
        () => plainBundle(bytes),
        seed,
      ),
    )
  }
  if (RUNS >= 100) expect(new Set(outcomes)).toEqual(new Set(['accepted', 'refused']))
})

test('JSON parsed in pieces is read as by a plain parser of the whole text', { timeout: 0 }, () => {
  for (let seed = SEED; seed < SEED + 10 * RUNS; seed++) {
    const random = new Random(seed)
    const bytes = mutated(Buffer.from(randomValue(random, 0)), random)
    const pieceSize = random.below(12)
    const bounds = { what: 'text', maxValues: 1e6, maxDepth: 100, maxKeys: 1000 }
    expectAlike(
      () => atOnce(strictJsonSteps(bytes, bounds, pieceSize)),
      () => plainJson(bytes),
      seed,
    )
  }
})

function partsOf({ material, envelope }: ReturnType<typeof parseBundle>) {
  const hint = material.method === 'key' ? material.hint : undefined
  return { hint, payload: envelope.payload.toString('hex'), signature: envelope.signature.toString('hex') }
}

// eslint-disable-next-line @typescript-eslint/no-explicit-any
type Loose = any

const MEDIA_TYPES = [
  'application/vnd.dev.sigstore.bundle.v0.3+json',
  'application/vnd.dev.sigstore.bundle+json;version=0.3',
  'application/vnd.dev.sigstore.bundle+json;version=0.2',
]

/** As the format defines it, from the result of the plain parser. */
function plainBundle(bytes: Buffer): ReturnType<typeof partsOf> {
  const { mediaType, verificationMaterial: material, dsseEnvelope: envelope, ...none }: Loose = plainJson(bytes)
  const { payload, payloadType, signatures, ...no } = envelope
  const { publicKey, tlogEntries: given, ...other } = material
  const tlogEntries = given ?? []
  const [{ sig, keyid, ...nothing }] = signatures
  const sound =
    Object.keys({ ...none, ...no, ...other, ...nothing }).length === 0 &&
    MEDIA_TYPES.includes(mediaType) &&
    payloadType === 'application/vnd.in-toto+json' &&
    tlogEntries.every((entry: unknown) => typeof entry === 'object' && entry !== null && !Array.isArray(entry)) &&
    Array.isArray(tlogEntries) &&
    Array.isArray(signatures) &&
    signatures.length === 1 &&
    ['string', 'undefined'].includes(typeof (keyid ?? undefined)) &&
    Object.keys(publicKey).join() === 'hint' &&
    typeof publicKey.hint === 'string' &&
    publicKey.hint !== ''
  if (!sound) throw new TypeError('no bundle')
  return { hint: publicKey.hint, payload: plainBase64(payload), signature: plainBase64(sig) }
}

/** As hex. */
function plainBase64(text: unknown): string {
  if (typeof text !== 'string' || text === '') throw new TypeError('no text')
  const bytes = Buffer.from(text, 'base64')
  if (bytes.toString('base64') !== text) throw new TypeError('no base64')
  return bytes.toString('hex')
}

/** Longer payloads are cut out and decoded in pieces of 64 Ki characters. */
const LONG = 256 * 1024
const LETTERS = 64 * 1024

function randomBundle(random: Random): Buffer {
  const payload = randomPayload(random)
  const short = () => literal(random.bytes(random.below(40) + 1).toString('base64'), random)
  const members = (...parts: [string, string][]) => randomObject(parts, random)
  const again = (name: string, value: string): [string, string][] => (random.chance(0.04) ? [[name, value]] : [])
  const envelope = members(
    ['payload', payload],
    ...again('payload', short()),
    ...again('payload', payload),
    ...again('Payload', short()),
    ...again('dsseEnvelope', members(['payload', payload])),
    ['payloadType', literal('application/vnd.in-toto+json', random)],
    ['signatures', `[${members(['sig', short()], ['keyid', '""'])}]`],
  )
  const text = members(
    ['mediaType', literal('application/vnd.dev.sigstore.bundle.v0.3+json', random)],
    [
      'verificationMaterial',
      members(['publicKey', members(['hint', short()])], ['tlogEntries', '[]'], ...again('payload', short())),
    ],
    ['dsseEnvelope', envelope],
    ...again('dsseEnvelope', members(['payload', short()])),
    ...again('payload', payload),
  )
  const bytes = Buffer.from(text)
  return random.chance(0.5) ? bytes : mutated(bytes, random)
}

function randomPayload(random: Random): string {
  const length = random.pick([30, LONG, LONG, LONG + LETTERS, 5 * LETTERS]) + random.below(12) - 6
  let base64 = Buffer.alloc(Math.ceil((length * 3) / 4), random.bytes(random.below(50) + 1)).toString('base64')
  if (random.chance(0.3)) base64 = base64.slice(0, length)
  if (random.chance(0.1)) return literal(base64, random)
  for (let count = random.geometric(0.5); count > 0; count--) {
    // Near the boundaries of the decoded pieces.
    const near = random.pick([0, LETTERS, 2 * LETTERS, LONG, base64.length]) + random.below(16) - 8
    const place = Math.min(Math.max(near, 0), base64.length - 1)
    const letter = base64.charCodeAt(place)
    const escaped = [
      hexEscape(letter),
      hexEscape(letter).toUpperCase(),
      '\\/',
      '\\\\',
      '\\"',
      '\\n',
      '=',
      'é',
      '\\u00',
      '\\',
    ]
    base64 = base64.slice(0, place) + random.pick(escaped) + base64.slice(place + 1)
  }
  return `"${base64}"`
}

function randomValue(random: Random, depth: number): string {
  const kind = random.below(depth > 6 ? 2 : 5)
  const items = () => Array.from({ length: random.below(5) }, () => randomValue(random, depth + 1))
  if (kind === 0) return random.pick(['0', '-1.5e3', 'true', 'null', '01', '1e', '""'])
  if (kind === 1)
    return literal(random.pick(['a', 'b', '', '__proto__', 'ü', '\u2028', '😀', '\ud800', '"\\,:{}[]']), random)
  if (kind === 2) return `[${items().join(`${space(random)},${space(random)}`)}]`
  const names = ['a', 'b', 'payload', '__proto__', 'constructor', '😀', '0', '1']
  return randomObject(
    items().map((item) => [random.pick(names), item]),
    random,
  )
}

function randomObject(parts: [string, string][], random: Random): string {
  const ordered = random.chance(0.5) ? random.shuffled(parts) : parts
  const members = ordered.map(([name, value]) => literal(name, random) + space(random) + ':' + space(random) + value)
  return `{${space(random)}${members.join(`${space(random)},${space(random)}`)}${space(random)}}`
}

/** Like `JSON.stringify`, with some characters as escapes. */
function literal(text: string, random: Random): string {
  const written = JSON.stringify(text)
  if (random.chance(0.8)) return written
  return written.replace(/[a-zA-Z/é]/g, (letter, at: number) =>
    written[at - 1] !== '\\' && random.chance(0.3) && !/\\u[0-9a-f]*$/.test(written.slice(Math.max(0, at - 6), at))
      ? hexEscape(letter.charCodeAt(0))
      : letter,
  )
}

function hexEscape(code: number): string {
  return `\\u${code.toString(16).padStart(4, '0')}`
}

function space(random: Random): string {
  if (random.chance(0.85)) return ''
  return random.pick([' ', '\n', '\t', '\r', ' '.repeat(random.below(40)), random.pick(['\u00a0', '\ufeff', '\f', ''])])
}

const JUNK = [
  '',
  ',',
  ':',
  '[',
  ']',
  '{',
  '}',
  '"',
  ' ',
  '1',
  'x',
  '\\',
  '\u00a0',
  '\ufeff',
  '\0',
  '""',
  '"a":1',
  '[]',
  '{}',
]

/** A few changes of single characters: anywhere in a short text, otherwise near an end or a quote. */
function mutated(bytes: Buffer, random: Random): Buffer {
  let changed = bytes
  for (let count = random.geometric(0.5); count > 0; count--) {
    const { length } = changed
    const quote = changed.indexOf('"', random.below(length + 1))
    const places = [
      random.below(length + 1),
      random.below(600),
      length - random.below(600),
      quote + random.below(3) - 1,
    ]
    const place = Math.min(Math.max(random.pick(places), 0), length)
    const insert = random.chance(0.1) ? random.bytes(1) : Buffer.from(random.pick(JUNK))
    changed = Buffer.concat([changed.subarray(0, place), insert, changed.subarray(place + random.below(2))])
  }
  return changed
}
