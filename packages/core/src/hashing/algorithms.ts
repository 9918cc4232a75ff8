import { createHash, hash as oneShot } from 'node:crypto'

/** The hash types of an OMS statement that this version computes (OMS 7). */
export type HashType = 'sha256' | 'blake2b'

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
  /** Digest of bytes that lie in memory as a whole. */
  whole(bytes: Uint8Array): string
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

export const ALGORITHMS: Readonly<Record<HashType, Algorithm>> = {
  sha256: openssl('sha256', 64),
  blake2b: openssl('blake2b512', 128),
}

export function isHashType(value: unknown): value is HashType {
  return typeof value === 'string' && Object.hasOwn(ALGORITHMS, value)
}
