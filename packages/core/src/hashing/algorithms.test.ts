import { createHash } from 'node:crypto'
import { describe, expect, test, vi } from 'vitest'
import { ALGORITHMS, type HashType } from './algorithms.ts'

const text = new TextEncoder().encode('abc')

/** Digests of "abc" from FIPS 180-4, RFC 7693 appendix A and the BLAKE3 test tool. */
const KNOWN: Record<HashType, string> = {
  sha256: 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
  blake2b:
    'ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d17d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923',
  blake3: '6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85',
}

describe.each(Object.keys(ALGORITHMS) as HashType[])('%s', (hashType) => {
  test('gives the standard digest, in one shot and in pieces', () => {
    const algorithm = ALGORITHMS[hashType]
    expect(algorithm.whole(text)).toBe(KNOWN[hashType])
    const hasher = algorithm.start()
    for (const byte of text) hasher.update(Uint8Array.of(byte))
    expect(hasher.hex()).toBe(KNOWN[hashType])
    expect(KNOWN[hashType]).toHaveLength(algorithm.hexLength)
  })
})

describe('the optional BLAKE3 module', () => {
  test('throws a clear error if it is not installed, while the other hashes work', async () => {
    vi.resetModules()
    vi.doMock('../source/optional-package.ts', () => ({
      optionalPackage: () => {
        throw new Error("Cannot find module '@napi-rs/blake-hash'")
      },
    }))
    const { ALGORITHMS: without } = await import('./algorithms.ts')
    expect(() => without.blake3.whole(text)).toThrow(expect.objectContaining({ code: 'HASH_UNAVAILABLE' }))
    expect(without.sha256.whole(text)).toBe(createHash('sha256').update(text).digest('hex'))
    vi.doUnmock('../source/optional-package.ts')
  })
})
