import { createPublicKey, generateKeyPairSync } from 'node:crypto'
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { attackRuns } from '../testing/runs.ts'
import { checkpointText, parseCheckpoint } from './checkpoint.ts'
import { isNoteSignedBy, noteKeyHash, parseNote, signNote, writeNote } from './signed-note.ts'

const KEYS = {
  Ed25519: generateKeyPairSync('ed25519'),
  ECDSA: generateKeyPairSync('ec', { namedCurve: 'P-256' }),
}
const NAME = 'log.example/2026'
const text = checkpointText({ origin: NAME, size: 3, root: Buffer.alloc(32, 7) })

describe.each(Object.entries(KEYS))('a note signed with %s', (_, { privateKey, publicKey }) => {
  const signed = writeNote({ text, signatures: [signNote(text, NAME, privateKey, publicKey)] })
  const written = (...more: string[]) => signed + more.join('')
  const isSigned = (note: string, name = NAME, key = publicKey) => {
    const parsed = parseNote(note)
    return parsed && isNoteSignedBy(parsed, name, key)
  }

  test('is read as it was written, and verifies', () => {
    const note = parseNote(written())!
    expect(writeNote(note)).toBe(written())
    expect(isSigned(written())).toBe(true)
    expect(parseCheckpoint(written())?.checkpoint).toEqual({ origin: NAME, size: 3, root: Buffer.alloc(32, 7) })
  })

  test('does not verify with another key, name or text', () => {
    const { publicKey: other } = generateKeyPairSync('ed25519')
    expect(isSigned(written(), NAME, other)).toBe(false)
    expect(isSigned(written(), 'other.example')).toBe(false)
    expect(isSigned(written().replace('\n3\n', '\n4\n'))).toBe(false)
  })

  test('may have signatures by others, but no wrong one in the name of the key', () => {
    const others = generateKeyPairSync('ed25519')
    const line = (one: ReturnType<typeof signNote>) => writeNote({ text: '', signatures: [one] }).slice(1)
    expect(isSigned(written(line(signNote(text, 'witness', others.privateKey, others.publicKey))))).toBe(true)
    const wrong = { ...signNote(text, NAME, privateKey, publicKey), signature: Buffer.alloc(64, 1) }
    expect(isSigned(written(line(wrong)))).toBe(false)
  })

  test('is never both changed and valid', () => {
    const letter = fc.integer({ min: 1, max: 126 })
    fc.assert(
      fc.property(fc.nat(written().length - 1), letter, (at, code) => {
        const note = written()
        const changed = note.slice(0, at) + String.fromCharCode(code) + note.slice(at + 1)
        if (changed !== note && isSigned(changed)) expect(parseNote(changed)?.text).toBe(text)
      }),
      { numRuns: attackRuns(300) },
    )
  })
})

test('the ID of an Ed25519 key is the one that Sigstore publishes', () => {
  const path = new URL('../verification/staging-root.json', import.meta.url)
  const { tlogs } = JSON.parse(readFileSync(path, 'utf8')) as {
    tlogs: { baseUrl: string; publicKey: { rawBytes: string }; logId: { keyId: string } }[]
  }
  for (const { baseUrl, publicKey, logId } of tlogs) {
    const key = createPublicKey({ key: Buffer.from(publicKey.rawBytes, 'base64'), type: 'spki', format: 'der' })
    expect(noteKeyHash(new URL(baseUrl).host, key)).toEqual(Buffer.from(logId.keyId, 'base64').subarray(0, 4))
  }
  expect(tlogs.length).toBeGreaterThan(2)
})

const signature = `\u2014 a ${Buffer.alloc(9).toString('base64')}\n`

test.each([
  ['nothing', ''],
  ['no signature', 'a\n\n'],
  ['no empty line', `a\n${signature}`],
  ['no newline at the end', `a\n\n${signature.slice(0, -1)}`],
  ['a control character', `a\tb\n\n${signature}`],
  ['a hyphen in place of the dash', `a\n\n${signature.replace('\u2014', '-')}`],
  ['a name with a plus', `a\n\n${signature.replace('a', 'a+b')}`],
  ['a signature that is not base64', `a\n\n\u2014 a !!!!\n`],
  ['a signature of four bytes', `a\n\n\u2014 a AAAAAA==\n`],
  ['too many signatures', `a\n\n${signature.repeat(17)}`],
])('a note with %s is none', (_, note) => expect(parseNote(note)).toBeUndefined())

test('text may contain empty lines', () => {
  expect(parseNote(`a\n\nb\n\n${signature}`)?.text).toBe('a\n\nb\n')
})

const root = Buffer.alloc(32).toString('base64')

test.each([
  ['no origin', `\n1\n${root}\n`],
  ['a size with a leading zero', `a\n01\n${root}\n`],
  ['a negative size', `a\n-1\n${root}\n`],
  ['a size beyond 2^53', `a\n9007199254740993\n${root}\n`],
  ['a short root', `a\n1\n${Buffer.alloc(31).toString('base64')}\n`],
  ['a root that is not canonical', `a\n1\n${root.replace('=', '')}\n`],
  ['an empty line', `a\n1\n${root}\n\nx\n`],
  ['more than 16 KiB', `a\n1\n${root}\n${'x'.repeat(17_000)}\n`],
])('a checkpoint with %s is none', (_, lines) => {
  expect(parseCheckpoint(`${lines}\n${signature}`)).toBeUndefined()
  expect(parseCheckpoint(`a\n1\n${root}\nmore\n\n${signature}`)).toBeDefined()
})
