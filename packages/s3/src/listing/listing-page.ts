import { messageOf } from '@modelseal/core/any-realm'
import { ModelSealError, shown } from '@modelseal/core/errors'
import { collected } from '@modelseal/core/http'
import { parseAnswer, textOf, type Element } from '../s3-answer.ts'
import type { S3Client } from '../s3-client.ts'
import { s3Url } from '../s3-location.ts'

/** A thousand keys of a kilobyte, each of whose bytes may be escaped. */
const MAX_PAGE_BYTES = 8 * 1024 * 1024

/** Keys to list. */
export interface ListedPrefix {
  readonly client: S3Client
  readonly bucket: string
  /** Without a slash at its end; empty for the whole bucket. */
  readonly path: string
  readonly signal: AbortSignal | undefined
}

interface PageRequest {
  /** Where it begins; undefined for the first one. */
  readonly token: string | undefined
  /** When it must have arrived, in seconds as `process.uptime()`. */
  readonly end: number
  /** Seconds, for the message. */
  readonly seconds: number
  /** True to list what is directly below the prefix, and not everything. */
  readonly isFlat?: boolean
  /** Default: a thousand. */
  readonly keys?: number
}

/** A part of a listing (ListObjectsV2). */
export interface ListingPage {
  readonly answer: Element
  /** Where the next page begins; undefined for the last one. */
  readonly next: string | undefined
  /** @returns undefined if the element has no key that can be read */
  keyIn(element: Element, name: string): string | undefined
}

/** @throws {@link ModelSealError} `SOURCE_LISTING`, and what the client throws */
export async function listedPage(at: ListedPrefix, request: PageRequest): Promise<ListingPage> {
  const { client, bucket, path, signal } = at
  const query = {
    'list-type': '2',
    'encoding-type': 'url',
    'max-keys': String(request.keys ?? 1_000),
    prefix: prefixOf(at),
    ...(request.isFlat ? { delimiter: '/' } : {}),
    ...(request.token === undefined ? {} : { 'continuation-token': request.token }),
  }
  const what = `listing of ${shown(s3Url(bucket, path))}`
  const text = await client.send({ query, what, signal, place: s3Url(bucket, path) }, async ({ length, chunks }) =>
    (await collected(what, MAX_PAGE_BYTES, { length, chunks: inTime(at, chunks, request) })).toString('utf8'),
  )
  if (text === undefined) throw unusableListing(at, 'no page')
  const answer = parsed(at, text)
  // Some stores ignore the requested encoding, and say so with an empty one.
  const encoding = textOf(answer, 'EncodingType') || undefined
  return {
    answer,
    next: nextOf(at, answer, request.token),
    keyIn: (element, name) => decodedKey(textOf(element, name), encoding),
  }
}

/** With which all its keys begin. */
export function prefixOf({ path }: Pick<ListedPrefix, 'path'>): string {
  return path === '' ? '' : `${path}/`
}

export function unusableListing(
  { bucket, path }: Pick<ListedPrefix, 'bucket' | 'path'>,
  found: string,
  file = s3Url(bucket, path),
): ModelSealError {
  return new ModelSealError(
    'SOURCE_LISTING',
    `Cannot use the listing of ${shown(s3Url(bucket, path))}: the object store lists ${found}.`,
    {
      file,
      hint: 'Do not load this copy. Check AWS_ENDPOINT_URL_S3 if it is set, and ask the owner of the bucket.',
    },
  )
}

async function* inTime(
  at: ListedPrefix,
  chunks: AsyncIterable<Uint8Array>,
  { end, seconds }: PageRequest,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) {
    if (process.uptime() > end) throw unusableListing(at, `its objects for more than ${seconds} seconds`)
    yield chunk
  }
}

function parsed(at: ListedPrefix, text: string): Element {
  try {
    const answer = parseAnswer(text)
    if (answer.name === 'ListBucketResult') return answer
    throw new Error(`an element ${shown(answer.name)}`)
  } catch (error) {
    throw unusableListing(at, `a page that is none: ${shown(messageOf(error))}`)
  }
}

function nextOf(at: ListedPrefix, answer: Element, token: string | undefined): string | undefined {
  const isTruncated = textOf(answer, 'IsTruncated')
  if (isTruncated === 'false') return undefined
  const next = textOf(answer, 'NextContinuationToken')
  if (isTruncated !== 'true' || !next) throw unusableListing(at, 'a page that does not say whether it is the last one')
  if (next === token) throw unusableListing(at, 'the same page again')
  return next
}

function decodedKey(text: string | undefined, encoding: string | undefined): string | undefined {
  if (text === undefined || text === '' || encoding === undefined) return text === '' ? undefined : text
  if (encoding !== 'url') return undefined
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    return undefined
  }
}
