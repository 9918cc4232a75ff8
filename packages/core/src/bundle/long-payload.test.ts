import { randomBytes } from 'node:crypto'
import { truncateSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { ErrorCode } from '../errors.ts'
import { encoded, keyPair, bundleOver, sha256, type LooseJson } from '../testing/bundles.ts'
import { refusal, scratch } from '../testing/scratch.ts'
import { MAX_BUNDLE_BYTES, parseBundle, parseOwnBundle } from './bundle.ts'
import { readBundle } from './read-bundle.ts'

const payload = randomBytes(1_000_000)
const good = bundleOver(payload, keyPair())

function changed(change: (bundle: LooseJson) => void): Buffer {
  const bundle: LooseJson = JSON.parse(good.toString())
  change(bundle)
  return encoded(bundle)
}

function replaced(pattern: RegExp, by: (found: string) => string): Buffer {
  return Buffer.from(good.toString().replace(pattern, by))
}

function refuses(bytes: Uint8Array, code: ErrorCode, details = DETAILS[code]): void {
  expect(() => parseBundle(bytes)).toThrow(refusal(code, details))
}

const DETAILS: Partial<Record<ErrorCode, object>> = {
  BASE64_INVALID: { message: expect.stringContaining('the field payload: it is not canonical') as string },
  BUNDLE_MALFORMED: { expected: 'no string of more than 262144 bytes except one base64 payload' },
  BUNDLE_TOO_LARGE: { expected: 'at most 1048576 bytes besides the payload' },
}

describe('a bundle with a long payload', () => {
  test('is read like any other bundle, at once or in turns', async () => {
    for (const bundle of [parseBundle(good), await parseOwnBundle(Buffer.from(good))]) {
      expect(bundle.envelope.payload.equals(payload)).toBe(true)
      expect(bundle.digest).toBe(sha256(good))
      expect(bundle.size).toBe(good.length)
    }
  })

  test.each<[string, (base64: string) => string]>([
    ['slashes', (base64) => base64.replaceAll('/', '\\/')],
    ['escaped padding', (base64) => base64.replaceAll('=', '\\u003d')],
    ['every letter escaped', (base64) => base64.replace(/./g, (letter) => `\\u00${letter.charCodeAt(0).toString(16)}`)],
  ])('may contain JSON escapes: %s', (_, escape) => {
    const { envelope } = parseBundle(replaced(/(?<="payload":")[^"]+/, escape))
    expect(envelope.payload.equals(payload)).toBe(true)
  })

  test.each<[string, ErrorCode, (base64: string) => string]>([
    ['white space', 'BASE64_INVALID', (base64) => base64.replace(/.{76}/g, (line) => `${line}\n`)],
    ['an escaped line break', 'BASE64_INVALID', (base64) => `${base64.slice(0, 76)}\\n${base64.slice(76)}`],
    ['a broken escape', 'BASE64_INVALID', (base64) => `\\x41${base64.slice(4)}`],
    ['a truncated escape', 'BASE64_INVALID', (base64) => `${base64.slice(0, -4)}\\u0`],
    ['an escape of a letter beyond ASCII', 'BASE64_INVALID', (base64) => `${base64.slice(0, -8)}\\u0141AAAAAAA`],
    ['a letter beyond ASCII', 'BASE64_INVALID', (base64) => `${base64.slice(0, -1)}é`],
    ['a control character', 'BASE64_INVALID', (base64) => `${base64.slice(0, -1)}\0`],
    ['padding in the middle', 'BASE64_INVALID', (base64) => `${base64.slice(0, 65_532)}AA==${base64.slice(65_536)}`],
    ['the URL-safe alphabet', 'BASE64_INVALID', (base64) => base64.replaceAll('/', '_').replaceAll('+', '-')],
    ['no padding', 'BASE64_INVALID', (base64) => base64.replace(/=+$/, '')],
    ['an escaped quote', 'BUNDLE_MALFORMED', (base64) => `${base64}\\"`],
    ['nothing but escaped quotes', 'BUNDLE_MALFORMED', () => '\\"'.repeat(1_000_000)],
    ['nothing but backslashes', 'BUNDLE_MALFORMED', () => `${'\\'.repeat(1_000_001)}"`],
  ])('is refused with %s in it', (_, code, change) => refuses(replaced(/(?<="payload":")[^"]+/, change), code))

  test.each<[string, ErrorCode, (bundle: LooseJson) => void]>([
    ['a long signature', 'BUNDLE_MALFORMED', (b) => (b.dsseEnvelope.signatures[0].sig = 'A'.repeat(400_000))],
    ['a long media type', 'BUNDLE_MALFORMED', (b) => (b.mediaType = 'A'.repeat(400_000))],
    [
      'the payload in another field, and a short one in its own',
      'BUNDLE_MALFORMED',
      (b) => {
        b.verificationMaterial.tlogEntries = [{ canonicalizedBody: b.dsseEnvelope.payload }]
        b.dsseEnvelope.payload = 'e30='
      },
    ],
    ['the payload as a key', 'BUNDLE_MALFORMED', (b) => (b.dsseEnvelope = { [b.dsseEnvelope.payload]: 'payload' })],
    [
      'a payload that is the only item of an array',
      'BUNDLE_MALFORMED',
      (b) => (b.dsseEnvelope.payload = [b.dsseEnvelope.payload]),
    ],
    [
      'too much data besides its payload',
      'BUNDLE_TOO_LARGE',
      (b) => (b.verificationMaterial.tlogEntries = Array(20).fill({ canonicalizedBody: 'A'.repeat(60_000) })),
    ],
    ['many log entries', 'JSON_TOO_COMPLEX', (b) => (b.verificationMaterial.tlogEntries = Array(20_000).fill({}))],
    [
      'many fields in its material',
      'JSON_TOO_COMPLEX',
      (b) => {
        for (let i = 0; i < 20_000; i++) b.verificationMaterial[`field${i}`] = i
      },
    ],
  ])('is refused with %s', (_, code, change) => refuses(changed(change), code))

  test('is refused if it has two payloads', () => {
    const other = randomBytes(1_000_000).toString('base64')
    refuses(
      replaced(/"payload":/, () => `"payload":"e30=","payload":`),
      'JSON_DUPLICATE_KEY',
    )
    refuses(
      replaced(/"payload":/, () => `"payload":"${other}","payload":`),
      'BUNDLE_MALFORMED',
    )
  })

  test('is refused if it is truncated', () => {
    for (const length of [good.length - 1, 1_000_000, 300_000]) refuses(good.subarray(0, length), 'JSON_INVALID')
  })

  test('is refused if it is not UTF-8 outside its payload', () => {
    refuses(
      replaced(/"keyid":""/, () => '"keyid":"\0"'),
      'JSON_INVALID',
    )
    const bytes = Buffer.from(replaced(/"keyid":""/, () => '"keyid":"~"'))
    bytes[bytes.lastIndexOf('~')] = 0xff
    refuses(bytes, 'JSON_NOT_UTF8')
  })

  test('stops being read when its reader is aborted', async () => {
    const path = join(scratch({ 'model.sig': good }), 'model.sig')
    await expect(readBundle(path, { signal: AbortSignal.abort() })).rejects.toEqual(refusal('ABORTED'))
    const large = bundleOver(Buffer.alloc(20_000_000), keyPair())
    const reading = parseOwnBundle(large, 'large.sig', AbortSignal.timeout(1))
    await expect(reading).rejects.toEqual(refusal('ABORTED'))
  })
})

describe('the maximum size of a bundle', () => {
  test('is 32 MiB unless the caller gives another', async () => {
    const path = join(scratch({ 'model.sig': good, 'large.sig': '' }), 'model.sig')
    const large = join(path, '../large.sig')
    truncateSync(large, MAX_BUNDLE_BYTES + 1)
    await expect(readBundle(large)).rejects.toEqual(
      refusal('BUNDLE_TOO_LARGE', { file: large, expected: 'at most 33554432 bytes', found: '33554433 bytes' }),
    )
    await expect(readBundle(large, { maxBytes: MAX_BUNDLE_BYTES + 1 })).rejects.toEqual(refusal('BUNDLE_TOO_LARGE')) // too large without a payload
    await expect(readBundle(path, { maxBytes: good.length - 1 })).rejects.toEqual(refusal('BUNDLE_TOO_LARGE'))
    expect((await readBundle(path, { maxBytes: good.length })).size).toBe(good.length)
  })

  test.each([0, -1, 1.5, Infinity, NaN, 512_000_001, '1', null])('cannot be %s', async (maxBytes) => {
    const path = join(scratch({ 'model.sig': good }), 'model.sig')
    await expect(readBundle(path, { maxBytes: maxBytes as number })).rejects.toEqual(refusal('INVALID_ARGUMENT'))
  })
})
