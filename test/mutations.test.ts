import { sign, type KeyObject } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ModelSealError, openVerifiedModel, type ErrorCode } from '@modelseal/core'
import { keySigner, signModel } from '@modelseal/core/signing'
import { verifyModel } from '@modelseal/core/verification'
import { beforeAll, describe, expect, test } from 'vitest'
import { publisherIn, scratchOfSuite, writeTree, type Publisher } from './support/models.ts'

const FILES = { 'config.json': '{}', 'weights/a.bin': 'A', 'weights/b.bin': 'B', empty: '' }

let publisher: Publisher
let model: string
let signature: string
let bundle: Buffer
let sound: Meaning

/** What an accepted bundle states: who signed which files with which digests. */
interface Meaning {
  rootDigest: string
  signer: unknown
  resources: unknown
}

async function meaningOf(): Promise<Meaning> {
  await verifyModel(model, { signature, verifier: { publicKey: publisher.publicKey } })
  const { manifest, verdict } = await openVerifiedModel(model, { policy: publisher.policy })
  return {
    rootDigest: manifest!.rootDigest,
    signer: verdict.bundles.map(({ signer }) => signer),
    resources: manifest!.resources,
  }
}

/** Replaces the valid bundle: the new one must be refused with a typed error, or mean the same. */
async function judged(bytes: Uint8Array): Promise<ErrorCode | 'the same'> {
  writeFileSync(signature, bytes)
  try {
    expect(await meaningOf()).toEqual(sound)
    return 'the same'
  } catch (error) {
    if (!(error instanceof ModelSealError)) throw error
    expect(error.code).not.toBe('INTERNAL')
    return error.code
  }
}

beforeAll(async () => {
  const directory = scratchOfSuite()
  publisher = publisherIn(directory)
  model = join(directory, 'model')
  signature = join(model, 'model.sig')
  writeTree(model, FILES)
  await signModel(model, { signer: await keySigner({ privateKey: publisher.privateKey }) })
  bundle = readFileSync(signature)
  sound = await meaningOf()
})

test('an unchanged bundle means the same', async () => {
  expect(await judged(bundle)).toBe('the same')
})

describe('every byte of the bundle, changed,', () => {
  test.each([
    ['by its lowest bit', (byte: number) => byte ^ 0x01],
    ['by the bit of letter case', (byte: number) => byte ^ 0x20],
    ['by its highest bit', (byte: number) => byte ^ 0x80],
    ['to a quote', () => 0x22],
    ['to a space', () => 0x20],
  ])('%s is refused', async (_, change) => {
    for (const [index, byte] of bundle.entries()) {
      const changed = Buffer.from(bundle)
      changed[index] = change(byte)
      if (changed[index] === byte) continue
      const outcome = await judged(changed)
      expect(outcome, `byte ${index}: ${bundle.subarray(Math.max(0, index - 10), index + 10).toString()}`).not.toBe(
        'the same',
      )
    }
  })
})

test('the bundle, truncated at any position, is refused', async () => {
  for (let length = 0; length < bundle.length; length++)
    expect(await judged(bundle.subarray(0, length))).toBe('JSON_INVALID')
})

type Json = null | boolean | number | string | Json[] | { [key: string]: Json }
type Path = readonly (string | number)[]

/** Every path in a value, with the value there. */
function* places(value: Json, path: Path = []): Generator<[Path, Json]> {
  yield [path, value]
  if (typeof value !== 'object' || value === null) return
  for (const [key, item] of Array.isArray(value) ? value.entries() : Object.entries(value))
    yield* places(item, [...path, key])
}

/** The JSON of a value in which one value was replaced by another text; undefined removes it. */
function textWith(value: Json, place: Path, text: (value: Json) => string | undefined): string {
  const [key, ...rest] = place
  if (key === undefined) return text(value) ?? ''
  const part = (item: Json, at: string | number) => (at === key ? textWith(item, rest, text) : JSON.stringify(item))
  if (Array.isArray(value))
    return `[${value
      .map(part)
      .filter((item) => item !== '')
      .join()}]`
  const fields = Object.entries(value as Record<string, Json>).map(([name, item]) => {
    const written = part(item, name)
    return written === '' ? '' : written.startsWith('\0') ? written.slice(1) : `${JSON.stringify(name)}:${written}`
  })
  return `{${fields.filter((field) => field !== '').join()}}`
}

const RETYPED: readonly Json[] = [null, true, false, 0, 1, -1, 1.5, 1e300, '', 'x', [], ['x'], {}, { x: 1 }]

/** Every field removed, with another type, duplicated or renamed; every item removed or duplicated. */
function* mutations(value: Json): Generator<[string, string]> {
  for (const [place, here] of places(value)) {
    const where = place.join('.') || 'all'
    const literal = JSON.stringify(here)
    for (const other of RETYPED) {
      if (JSON.stringify(other) !== literal)
        yield [`${where} as ${JSON.stringify(other)}`, textWith(value, place, () => JSON.stringify(other))]
    }
    yield [`${where} in a list`, textWith(value, place, () => `[${literal}]`)]
    if (typeof here === 'string')
      yield [`${where} with more text`, textWith(value, place, () => JSON.stringify(`${here} `))]
    const key = place.at(-1)
    if (key === undefined) continue
    yield [`${where} removed`, textWith(value, place, () => undefined)]
    if (typeof key === 'number') {
      yield [`${where} twice`, textWith(value, place, () => `${literal},${literal}`)]
      continue
    }
    const name = JSON.stringify(key)
    const escapedName = `"\\u${key.charCodeAt(0).toString(16).padStart(4, '0')}${key.slice(1)}"`
    yield [`${where} twice`, textWith(value, place, () => `\0${name}:${literal},${name}:${literal}`)]
    yield [`${where} twice, escaped`, textWith(value, place, () => `\0${escapedName}:null,${name}:${literal}`)]
    yield [`${where} under another name`, textWith(value, place, () => `\0${JSON.stringify(`${key}x`)}:${literal}`)]
    yield [`${where} with another beside it`, textWith(value, place, () => `\0${name}:${literal},"unknown":1`)]
  }
}

test('a bundle with any field removed, retyped or duplicated is refused or means the same', async () => {
  const accepted: string[] = []
  let count = 0
  for (const [what, text] of mutations(JSON.parse(bundle.toString()) as Json)) {
    count++
    if ((await judged(Buffer.from(text))) === 'the same') accepted.push(what)
  }
  expect(count).toBeGreaterThan(200)
  // OMS 4.1: key ids are not used, and a missing list of log entries, null and an empty list are equivalent.
  expect(accepted.sort()).toEqual([
    'dsseEnvelope.signatures.0.keyid as "x"',
    'dsseEnvelope.signatures.0.keyid as null',
    'dsseEnvelope.signatures.0.keyid removed',
    'dsseEnvelope.signatures.0.keyid with more text',
    'verificationMaterial.tlogEntries as null',
    'verificationMaterial.tlogEntries removed',
  ])
})

test('a signed statement with any field removed, retyped or duplicated is refused or means the same', async () => {
  const accepted = new Set<string>()
  const outcomes = new Set<string>()
  let count = 0
  for (const [what, text] of mutations(statementOf(bundle))) {
    count++
    const outcome = await judged(signedAgain(Buffer.from(text), publisher.key))
    outcomes.add(outcome)
    if (outcome === 'the same') accepted.add(what)
  }
  expect(count).toBeGreaterThan(500)
  expect(outcomes.size).toBeGreaterThan(8)
  // The name of the model is informational, unknown fields of a resource or the subject are ignored (OMS 5.2.1),
  // and no files on disk are affected by the other ignored paths.
  const harmless =
    /^(subject\.0\.name (as "x"|with more text)|subject\.0\.(name|digest)( with another beside it|.*beside it)|subject\.0\.digest\.sha256 with another beside it|predicate\.resources\.\d\.\w+ with another beside it|predicate\.serialization\.allow_symlinks as true|predicate\.serialization\.ignore_paths.*)$/
  expect([...accepted].filter((what) => !harmless.test(what))).toEqual([])
})

test('a signed statement with any byte changed is refused or means the same', async () => {
  const payload = Buffer.from(JSON.stringify(statementOf(bundle)))
  for (const [index, byte] of payload.entries()) {
    const changed = Buffer.from(payload)
    changed[index] = byte ^ 0x01
    await judged(signedAgain(changed, publisher.key))
  }
})

function statementOf(bytes: Buffer): Json {
  const { dsseEnvelope } = JSON.parse(bytes.toString()) as { dsseEnvelope: { payload: string } }
  return JSON.parse(Buffer.from(dsseEnvelope.payload, 'base64').toString()) as Json
}

/** The valid bundle with another payload and a valid signature. */
function signedAgain(payload: Buffer, key: KeyObject): Buffer {
  const json = JSON.parse(bundle.toString()) as {
    dsseEnvelope: { payload: string; payloadType: string; signatures: { sig: string }[] }
  }
  const { dsseEnvelope } = json
  const encoded = Buffer.concat([
    Buffer.from(`DSSEv1 ${dsseEnvelope.payloadType.length} ${dsseEnvelope.payloadType} ${payload.length} `),
    payload,
  ])
  dsseEnvelope.payload = payload.toString('base64')
  dsseEnvelope.signatures[0]!.sig = sign('sha256', encoded, key).toString('base64')
  return Buffer.from(JSON.stringify(json))
}
