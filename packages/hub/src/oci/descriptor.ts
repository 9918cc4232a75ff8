import { ModelSealError, shown } from '@modelseal/core/errors'
import { isDigest, type Addressed } from './digest.ts'

/** A reference from a manifest to other content (image specification 1.1, "Content Descriptors"). */
export interface Descriptor extends Addressed {
  /** In lowercase. */
  readonly mediaType: string
  readonly annotations: ReadonlyMap<string, string>
}

/** RFC 6838 4.2, with parameters as Sigstore's older media types have them. */
const MEDIA_TYPE = /^[\w!#$&^.+-]{1,127}\/[\w!#$&^.+-]{1,127}(?:;[\x20-\x7e]{0,127})?$/

/**
 * @param where for messages
 * @throws {@link ModelSealError} `SOURCE_FAILED`
 */
export function descriptorFrom(given: unknown, where: string): Descriptor {
  const [mediaType, digest, size] = [field(given, 'mediaType'), field(given, 'digest'), field(given, 'size')]
  if (typeof mediaType !== 'string' || !MEDIA_TYPE.test(mediaType)) throw malformed(where, 'a media type', mediaType)
  if (!isDigest(digest)) throw malformed(where, 'a digest with SHA-256 or SHA-512', digest)
  if (!Number.isSafeInteger(size) || Number(size) < 0) throw malformed(where, 'a size in bytes', size)
  return {
    mediaType: mediaType.toLowerCase(),
    digest,
    size: Number(size),
    annotations: annotationsFrom(field(given, 'annotations'), where),
  }
}

/** An own property. */
export function field(of: unknown, name: string): unknown {
  return typeof of === 'object' && of !== null && Object.hasOwn(of, name)
    ? (of as Record<string, unknown>)[name]
    : undefined
}

/** @throws {@link ModelSealError} `SOURCE_FAILED` */
export function listFrom(given: unknown, where: string, most: number): readonly unknown[] {
  if (!Array.isArray(given)) throw malformed(where, 'a list', given)
  if (given.length > most) throw malformed(where, `at most ${most} entries`, given.length)
  return given as unknown[]
}

/** The refusal of a manifest that is not what the image specification describes. */
export function malformed(where: string, expected: string, found: unknown): ModelSealError {
  return new ModelSealError('SOURCE_FAILED', `Cannot read the ${where}: it is malformed.`, {
    expected,
    found: typeof found === 'string' ? shown(found) : typeof found === 'number' ? String(found) : typeof found,
    hint: 'Ask the publisher of the model to push it again.',
  })
}

function annotationsFrom(given: unknown, where: string): ReadonlyMap<string, string> {
  if (given === undefined || given === null) return new Map()
  if (typeof given !== 'object' || Array.isArray(given)) throw malformed(where, 'annotations', given)
  const entries = Object.entries(given)
  const wrong = entries.find(([, value]) => typeof value !== 'string')
  if (wrong) throw malformed(where, 'annotations that are text', wrong[1])
  return new Map(entries as [string, string][])
}
