import { spawnSync } from 'node:child_process'
import { createHash, sign } from 'node:crypto'
import { closeSync, openSync, truncateSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { publisherIn, scratch, writeTree, type Publisher } from './support/models.ts'

const MIB = 1024 * 1024
const LARGEST = 32 * MIB
/** A limit that a caller may set for models with unusually many files. */
const ALLOWED = 512_000_000

interface Outcome {
  code: string
  /** Peak memory of the process, in MiB. */
  memory: number
}

/** Verifies in a separate process, so that its memory can be measured and a crash detected. */
function outcomeOf(directory: string, publisher: Publisher, maxBundleBytes?: number): Outcome {
  const script = `
    import { ModelSealError } from '@modelseal/core'
    import { verifyModel } from '@modelseal/core/verification'
    const [model, signature, publicKey] = process.argv.slice(1)
    let code = 'accepted'
    try {
      const maxBundleBytes = ${maxBundleBytes}
      await verifyModel(model, { signature, verifier: { publicKey }, maxBundleBytes })
    } catch (error) {
      code = error instanceof ModelSealError ? error.code : String(error)
    }
    console.log(JSON.stringify({ code, memory: process.resourceUsage().maxRSS / 1024 }))`
  const paths = [join(directory, 'model'), join(directory, 'model.sig'), publisher.publicKey]
  const child = spawnSync(
    process.execPath,
    ['--max-old-space-size=2048', '--input-type=module', '-e', script, ...paths],
    {
      cwd: import.meta.dirname,
      encoding: 'utf8',
    },
  )
  expect({ stderr: child.stderr, status: child.status, signal: child.signal }).toEqual({
    stderr: '',
    status: 0,
    signal: null,
  })
  return JSON.parse(child.stdout) as Outcome
}

function prepared(): [string, Publisher] {
  const directory = scratch()
  writeTree(directory, { 'model/a': 'A' })
  return [directory, publisherIn(directory)]
}

/** A file that repeats a piece of text between a head and a tail. */
function writeRepeated(path: string, size: number, piece: string, head = '', tail = ''): void {
  const block = Buffer.from(piece.repeat(Math.ceil(MIB / piece.length)))
  const file = openSync(path, 'w')
  try {
    writeSync(file, head)
    let left = size - head.length - tail.length
    for (; left >= block.length; left -= block.length) writeSync(file, block)
    writeSync(file, block.subarray(0, left))
    writeSync(file, tail)
  } finally {
    closeSync(file)
  }
}

test('refuses a bundle larger than 32 MiB without reading it', () => {
  const [directory, publisher] = prepared()
  writeTree(directory, { 'model.sig': '' })
  truncateSync(join(directory, 'model.sig'), LARGEST + 1)
  const { code, memory } = outcomeOf(directory, publisher)
  expect(code).toBe('BUNDLE_TOO_LARGE')
  expect(memory).toBeLessThan(256)
})

describe('refuses a bundle of 32 MiB using only a few times its size in memory:', () => {
  test.each([
    ['opening brackets', '[', 'BUNDLE_TOO_LARGE', '', ''],
    ['empty objects', '{},', 'BUNDLE_TOO_LARGE', '[', '{}]'],
    ['keys of one object', '"a":1,', 'BUNDLE_TOO_LARGE', '{', ''],
    ['quotes', '"', 'BUNDLE_TOO_LARGE', '', ''],
    ['escaped quotes in one string', '\\"', 'BUNDLE_MALFORMED', '"', ''],
    ['backslashes', '\\', 'BUNDLE_MALFORMED', '"a', '"'],
    ['digits of one number', '9', 'BUNDLE_TOO_LARGE', '', ''],
    ['white space', ' ', 'BUNDLE_TOO_LARGE', '{', '}'],
    [
      'invalid base64',
      'AAAA',
      'BUNDLE_MALFORMED',
      '{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","dsseEnvelope":{"payload":"',
      '"}}',
    ],
  ])('%s', (_, piece, expected, head, tail) => {
    const [directory, publisher] = prepared()
    writeRepeated(join(directory, 'model.sig'), LARGEST, piece, head, tail)
    const { code, memory } = outcomeOf(directory, publisher)
    expect(code).toBe(expected)
    expect(memory).toBeLessThan(512)
  })
})

describe('refuses a validly signed statement in bounded memory:', () => {
  const head =
    '{"_type":"https://in-toto.io/Statement/v1","subject":[{"name":"m","digest":{"sha256":"0"}}],"predicateType":"https://model_signing/signature/v1.0","predicate":{"serialization":{"method":"files","hash_type":"sha256","allow_symlinks":false},"resources":['
  const tail = ']}}'
  const entry = (name: string) => `{"name":"${name}","digest":"${'0'.repeat(64)}","algorithm":"sha256"}`

  test.each([
    [
      'a million entries of the same name',
      'RESOURCE_DUPLICATE',
      () => `${`${entry('a')},`.repeat(999_999)}${entry('a')}`,
    ],
    [
      'a million files with another root digest',
      'ROOT_DIGEST_MISMATCH',
      () => Array.from({ length: 1_000_000 }, (_, i) => entry(String(1_000_000 + i))).join(),
    ],
    ['millions of empty entries', 'STATEMENT_MALFORMED', () => `${'{},'.repeat(3_000_000)}{}`],
    ['millions of numbers', 'STATEMENT_MALFORMED', () => `${'1,'.repeat(7_000_000)}1`],
    ['more numbers than a statement has values', 'JSON_TOO_COMPLEX', () => `${'1,'.repeat(50_000_000)}1`],
    ['nested lists', 'JSON_TOO_COMPLEX', () => '['.repeat(1_000_000)],
    ['one name of 100 MB', 'RESOURCE_NAME', () => entry('a'.repeat(100_000_000))],
  ])('%s', (_, expected, resources) => {
    const [directory, publisher] = prepared()
    writeTree(directory, { 'model.sig': signed(Buffer.from(`${head}${resources()}${tail}`), publisher) })
    const { code, memory } = outcomeOf(directory, publisher, ALLOWED)
    expect(code).toBe(expected)
    expect(memory).toBeLessThan(2048)
  })

  function signed(payload: Buffer, publisher: Publisher): string {
    const payloadType = 'application/vnd.in-toto+json'
    const encoded = Buffer.concat([
      Buffer.from(`DSSEv1 ${payloadType.length} ${payloadType} ${payload.length} `),
      payload,
    ])
    const sig = sign('sha256', encoded, publisher.key).toString('base64')
    return JSON.stringify({
      mediaType: 'application/vnd.dev.sigstore.bundle.v0.3+json',
      verificationMaterial: { publicKey: { hint: fingerprintOf(publisher) } },
      dsseEnvelope: { payload: payload.toString('base64'), payloadType, signatures: [{ sig }] },
    })
  }
})

function fingerprintOf({ publicPem }: Publisher): string {
  return createHash('sha256').update(publicPem).digest('hex')
}
