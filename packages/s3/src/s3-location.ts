import { ModelSealError, shown } from '@modelseal/core/errors'

/** What an `s3:` URL names. */
export interface S3Location {
  readonly bucket: string
  /** Key of an object, or prefix of keys without a slash at its end; empty for the whole bucket. */
  readonly path: string
  /** True if the URL ends with a slash, or names the whole bucket: then it is no single object. */
  readonly isFolder: boolean
  /** What policies match: in one spelling, without a slash at its end. */
  readonly url: string
}

/** Rules of S3 for the names of buckets. Other stores with its API allow no others that work in a host name. */
const BUCKET = /^(?!\d+\.\d+\.\d+\.\d+$)[a-z0-9](?:[a-z0-9-]|\.(?![.-])){1,61}[a-z0-9]$/
/** Of S3, in UTF-8. */
const MAX_KEY_BYTES = 1_024

/**
 * Parses `s3://BUCKET[/PREFIX|/KEY]`. Other characters than letters, digits, `-`, `_`, `.` and `~` may be written as percent-escapes; `%`, `?` and `#`
 * must be.
 *
 * @throws {@link ModelSealError} `INVALID_ARGUMENT`
 */
export function s3Location(url: string): S3Location {
  // For callers without types.
  if (typeof (url as unknown) !== 'string') throw invalid('', 'text', typeof url)
  if (!url.isWellFormed()) throw invalid(url, 'valid Unicode', 'something else')
  const [, bucket = '', rest = ''] = /^s3:\/\/([^/]*)(.*)$/is.exec(url) ?? []
  if (!BUCKET.test(bucket)) throw invalid(url, 'a bucket of 3 to 63 lowercase letters, digits, "-" and "."')
  if (/[?#]/.test(rest)) throw invalid(url, 'no query and no fragment ("?" is written as %3F, "#" as %23)')
  const path = rest.replace(/^\//, '').replace(/\/$/, '')
  const components = path === '' ? [] : path.split('/').map((component) => decoded(url, component))
  // Programs disagree about what these name, so a rule for one of them could be avoided by another.
  if (!components.every(isPathComponent))
    throw invalid(url, 'a path without empty components, ".", "..", backslashes and control characters', 'another path')
  if (Buffer.byteLength(components.join('/')) > MAX_KEY_BYTES) throw invalid(url, `at most ${MAX_KEY_BYTES} bytes`)
  return {
    bucket,
    path: components.join('/'),
    isFolder: components.length === 0 || rest.endsWith('/'),
    url: s3Url(bucket, components.join('/')),
  }
}

/** Whether it can stand between two slashes of a URL. */
export function isPathComponent(component: string): boolean {
  return !/^\.{0,2}$|[\x00-\x1f\x7f/\\]/.test(component)
}

/** The URL of a key or prefix, in the spelling that policies match. */
export function s3Url(bucket: string, path: string): string {
  return path === '' ? `s3://${bucket}` : `s3://${bucket}/${encodedKey(path)}`
}

/** A key as it stands in a URL: as S3 encodes it to check a signature (RFC 3986, without slashes). */
export function encodedKey(key: string): string {
  return key.split('/').map(encoded).join('/')
}

function encoded(component: string): string {
  const escape = (char: string) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`
  return encodeURIComponent(component).replace(/[!'()*]/g, escape)
}

function decoded(url: string, text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw invalid(url, 'percent-escapes of valid UTF-8 (a percent sign is written as %25)', 'something else')
  }
}

/** The URL may contain a password by mistake, and is then not shown. */
function invalid(url: string, expected: string, found?: string): ModelSealError {
  const isPlain = /^s3:\/\/[\w.-]*(?:\/[^@?#]*)?$/i.test(url)
  return new ModelSealError('INVALID_ARGUMENT', 'Invalid URL of a model in object storage.', {
    expected,
    found: found ?? (isPlain ? shown(url) : 'something else'),
    hint: 'Write s3://BUCKET/PREFIX for a directory, or s3://BUCKET/KEY for a single file.',
  })
}
