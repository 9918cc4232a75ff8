import { parseOwnBundle, type UnverifiedBundle } from '../../bundle/bundle.ts'
import { ModelSealError, sentenceOf, shown } from '../../errors.ts'
import { withoutPrototype } from '../../snapshot.ts'
import { readSmallFile } from '../../source/read-small-file.ts'
import { inTurns } from '../../source/turns.ts'
import { withLibraries } from '../when-needed.ts'
import { feedSteps, feedTooLarge, MAX_FEED_BYTES, type AdvisoryFeed } from './feed-statement.ts'

/** Signatures of a feed. */
const MAX_LINES = 16

/** A feed file whose signatures have not been verified: nothing in it can be trusted. */
interface UnverifiedFeed {
  /** Each has one signature over the same statement. */
  bundles: readonly [UnverifiedBundle, ...UnverifiedBundle[]]
  feed: AdvisoryFeed
}

/** A feed file on this machine. */
export interface FoundFeed extends UnverifiedFeed {
  /** The bytes of each bundle. */
  lines: readonly Buffer[]
  /** The whole file. */
  bytes: Buffer
}

interface ReadingOptions {
  /** Path or URL of the feed, for messages. */
  file?: string | undefined
  signal?: AbortSignal | undefined
}

/**
 * Reads a feed file: JSON lines, each a bundle over the same statement.
 *
 * @param bytes must not change meanwhile
 * @throws {@link ModelSealError} as {@link feedBundles} and {@link readFeed}
 */
export async function parseFeedFile(bytes: Buffer, options: ReadingOptions = {}): Promise<UnverifiedFeed> {
  const bundles = await feedBundles(bytes, options)
  return { bundles, feed: await readFeed(bundles[0].envelope.payload, options) }
}

/**
 * The bundles of a feed file. Does not read the statement, so that its signatures can be verified first.
 *
 * @param bytes must not change meanwhile
 * @throws {@link ModelSealError} `ADVISORY_INVALID`, `ADVISORY_TOO_LARGE`, `ABORTED`
 */
export async function feedBundles(
  bytes: Buffer,
  { file, signal }: ReadingOptions = {},
): Promise<UnverifiedFeed['bundles']> {
  const bundles: UnverifiedBundle[] = []
  for (const line of linesOf(bytes, file)) {
    // No release before 1.0 wrote feeds.
    const parsed = await parseOwnBundle(line, file, signal).catch((cause: unknown) => {
      throw notAFeed(bytes, cause, file)
    })
    const bundle = withoutPrototype({ ...parsed, isAttestation: true as const })
    const [first = bundle] = bundles
    if (!bundle.envelope.payload.equals(first.envelope.payload)) {
      throw new ModelSealError(
        'ADVISORY_INVALID',
        'Cannot use the advisory feed: its lines sign different statements.',
        {
          file,
          expected: 'lines with signatures of the same statement',
          hint: 'To add a signature to a feed, use "modelseal advisory sign --add-signature".',
        },
      )
    }
    bundles.push(bundle)
  }
  const [first, ...others] = bundles
  if (first) return [first, ...others]
  throw new ModelSealError('ADVISORY_INVALID', 'Cannot use the advisory feed: it is empty.', {
    file,
    expected: 'a Sigstore bundle on each line',
  })
}

/**
 * Reads the statement of a feed, and loads what that needs.
 *
 * @throws {@link ModelSealError} as {@link feedSteps}, and `ABORTED`
 */
export function readFeed(payload: Uint8Array, { file, signal }: ReadingOptions = {}): Promise<AdvisoryFeed> {
  return withLibraries(() => inTurns(feedSteps(payload, file), signal))
}

/**
 * Reads a feed file on this machine.
 *
 * @throws {@link ModelSealError} `ADVISORY_INVALID`, `ADVISORY_TOO_LARGE`, `FILE_NOT_FOUND`, `FILE_SPECIAL`, `FILE_UNREADABLE`, `ABORTED`
 */
export async function readFeedFile(path: string, signal?: AbortSignal): Promise<FoundFeed> {
  const bytes = await readSmallFile(path, {
    what: 'advisory feed',
    maxBytes: MAX_FEED_BYTES,
    tooLarge: 'ADVISORY_TOO_LARGE',
  })
  try {
    return { ...(await parseFeedFile(bytes, { file: path, signal })), lines: [...linesOf(bytes, path)], bytes }
  } catch (cause) {
    throw notAFeed(bytes, cause, path)
  }
}

/** The hints of a bundle are about a model and its publisher. */
function notAFeed(bytes: Uint8Array, cause: unknown, file: string | undefined): unknown {
  if (!(cause instanceof ModelSealError) || /^(?:ABORTED|ADVISORY_)/.test(cause.code)) return cause
  const what = file === undefined ? 'the advisory feed' : shown(file)
  return new ModelSealError('ADVISORY_INVALID', `Cannot read ${what}: it is not a signed advisory feed.`, {
    file,
    expected: 'a Sigstore bundle on each line',
    hint: looksLikeSource(bytes)
      ? 'This is the source of a feed. "modelseal advisory sign" makes the signed feed of it, in another file.'
      : `${sentenceOf(cause)} Get the feed again from its publisher.`,
    cause,
  })
}

/** Whether a file, which is not a signed feed, is the source of one. */
function looksLikeSource(bytes: Uint8Array): boolean {
  return /^[^\S\r\n]*"?denied"?\s*:/m.test(Buffer.from(bytes).toString('latin1'))
}

const LINE_FEED = 0x0a
const CARRIAGE_RETURN = 0x0d

/** The lines that are not empty. */
function* linesOf(bytes: Buffer, file: string | undefined): Generator<Buffer> {
  if (bytes.length > MAX_FEED_BYTES) throw feedTooLarge(file, `${MAX_FEED_BYTES} bytes`, `${bytes.length} bytes`)
  let lines = 0
  for (let start = 0; start < bytes.length;) {
    const end = bytes.indexOf(LINE_FEED, start)
    const whole = bytes.subarray(start, end < 0 ? bytes.length : end)
    start += whole.length + 1
    // An editor for Windows leaves it.
    const line = whole.at(-1) === CARRIAGE_RETURN ? whole.subarray(0, -1) : whole
    // Empty lines count as well: there could be millions.
    if (++lines > MAX_LINES) throw feedTooLarge(file, `${MAX_LINES} lines`, 'more')
    if (line.length > 0) yield line
  }
}
