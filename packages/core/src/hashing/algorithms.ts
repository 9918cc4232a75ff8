import { createHash, hash as oneShot } from 'node:crypto'
import type * as Blake3 from '@napi-rs/blake-hash'
import { messageOf } from '../any-realm.ts'
import { ModelSealError } from '../errors.ts'
import { denialHint } from '../source/private/access-denied.ts'
import { optionalPackage } from '../source/optional-package.ts'

/** The hash types of OMS (section 7). */
export type HashType = 'sha256' | 'blake2b' | 'blake3'

/** A digest being computed. */
export interface Hasher {
  update(bytes: Uint8Array): void
  /** Lowercase hex. */
  hex(): string
}

interface Algorithm {
  /** Length of a digest in lowercase hex digits. */
  hexLength: number
  start(): Hasher
  /** One-shot digest of bytes that are entirely in memory. */
  whole(bytes: Uint8Array): string
}

export const ALGORITHMS: Readonly<Record<HashType, Algorithm>> = {
  sha256: openssl('sha256', 64),
  blake2b: openssl('blake2b512', 128),
  blake3: {
    hexLength: 64,
    start() {
      const hasher = new (blake3().Blake3Hasher)()
      return { update: (bytes) => void hasher.update(bytes), hex: () => hasher.digest('hex') }
    },
    whole: (bytes) => blake3().blake3(bytes).toString('hex'),
  },
}

export function isHashType(value: unknown): value is HashType {
  return typeof value === 'string' && Object.hasOwn(ALGORITHMS, value)
}

function openssl(name: string, hexLength: number): Algorithm {
  return {
    hexLength,
    start() {
      const hash = createHash(name)
      return { update: (bytes) => void hash.update(bytes), hex: () => hash.digest('hex') }
    },
    whole: (bytes) => oneShot(name, bytes, 'hex'),
  }
}

let loaded: typeof Blake3 | undefined

/**
 * OpenSSL has no BLAKE3, and the native module is an optional dependency. The first digest that needs
 * it loads it, in the thread that computes the digest.
 *
 * @throws {@link ModelSealError} `HASH_UNAVAILABLE`
 */
function blake3(): typeof Blake3 {
  try {
    return (loaded ??= optionalPackage('@napi-rs/blake-hash') as typeof Blake3)
  } catch (cause) {
    throw new ModelSealError('HASH_UNAVAILABLE', 'Cannot compute BLAKE3 digests: the native module cannot be loaded.', {
      expected: 'the optional dependency @napi-rs/blake-hash',
      found: messageOf(cause).split('\n')[0] ?? '',
      hint:
        denialHint(cause) ??
        'Install it for this platform, next to @modelseal/core or, if the program is bundled, next to the bundle.',
      cause,
    })
  }
}
