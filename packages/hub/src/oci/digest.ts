import { createHash, type Hash } from 'node:crypto'
import { ModelSealError, shown } from '@modelseal/core/errors'

/** Algorithm and lowercase hex, such as `sha256:44136fa3…`. Only {@link isDigest} makes one of a text. */
export type Digest = string & { readonly __digest: never }

/** Image specification 1.1, "Registered algorithms". */
const DIGEST = /^(?:sha256:[a-f0-9]{64}|sha512:[a-f0-9]{128})$/

export function isDigest(text: unknown): text is Digest {
  return typeof text === 'string' && DIGEST.test(text)
}

/** The SHA-256 in hex; undefined for a digest of another algorithm. */
export function sha256Of(digest: Digest): string | undefined {
  return digest.startsWith('sha256:') ? digest.slice('sha256:'.length) : undefined
}

/** @param like the digest whose algorithm is used. Default: SHA-256 */
export function digestOf(bytes: Uint8Array, like?: Digest): Digest {
  const hash = hashFor(like)
  return finished(hash.update(bytes), like)
}

/** Content that must have a digest and a size. */
export interface Addressed {
  readonly digest: Digest
  /** In bytes. */
  readonly size: number
}

/**
 * Passes on content, and fails if it has another digest. The error comes after the last byte, so what arrived before it
 * must not be used.
 *
 * @param what for messages
 * @throws {@link ModelSealError} `SOURCE_FAILED`
 */
export async function* addressed(
  what: string,
  { digest, size }: Addressed,
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  const hash = hashFor(digest)
  for await (const chunk of sized(what, size, chunks)) {
    hash.update(chunk)
    yield chunk
  }
  const found = finished(hash, digest)
  if (found !== digest) throw otherContent(what, digest, found)
}

/**
 * Passes on content, and fails if it is longer or shorter than stated.
 *
 * @throws {@link ModelSealError} `SOURCE_FAILED`
 */
export async function* sized(
  what: string,
  size: number,
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  let bytes = 0
  for await (const chunk of chunks) {
    bytes += chunk.length
    if (bytes > size) throw otherContent(what, `${size} bytes`, `${bytes} bytes or more`)
    yield chunk
  }
  if (bytes !== size) throw otherContent(what, `${size} bytes`, `${bytes} bytes`)
}

/** The refusal of content that a registry delivered in place of what was asked for. */
export function otherContent(what: string, expected: string, found: string): ModelSealError {
  return new ModelSealError('SOURCE_FAILED', `Cannot read the ${what}: the registry sent other content.`, {
    expected: expected.includes(' ') ? expected : shown(expected),
    found: found.includes(' ') ? found : shown(found),
    hint: 'Do not use this registry, or what stands between it and this machine, until its operator has found the cause.',
  })
}

function hashFor(like: Digest | undefined): Hash {
  return createHash(algorithmOf(like))
}

function finished(hash: Hash, like: Digest | undefined): Digest {
  return `${algorithmOf(like)}:${hash.digest('hex')}` as Digest
}

function algorithmOf(like: Digest | undefined): string {
  return like?.startsWith('sha512:') ? 'sha512' : 'sha256'
}
