import { ModelSealError, shown } from '../../errors.ts'
import { flag, path as pathCopy, required, signal as signalCopy, text } from '../../kinds.ts'
import { changesBetween, type FeedChanges } from '../../policy/advisories/compare-feeds.ts'
import { parseFeedFile, readFeed, readFeedFile, type FoundFeed } from '../../policy/advisories/feed-file.ts'
import type { FeedSource } from '../../policy/advisories/feed-source.ts'
import { feedExpired, writeFeedStatement, type AdvisoryFeed } from '../../policy/advisories/feed-statement.ts'
import { before, parseDuration } from '../../policy/schema/duration.ts'
import { SIGNER } from '../../signing/sign-model.ts'
import { signPayload } from '../../signing/sign-statement.ts'
import type { LoggedAt, SignedAt, SignedBy, Signer } from '../../signing/signer.ts'
import { checkTimestampUrl } from '../../signing/timestamp.ts'
import { snapshot, type Shape } from '../../snapshot.ts'
import { replaceUnlessChanged } from '../../source/replace-file.ts'
import { isSignedAlready } from './attested-already.ts'
import { readFeedSource } from './edit-feed.ts'
import { namedSigners } from './verify-feed.ts'

export interface SignFeedOptions {
  signer: Signer
  /** Path of the feed: a new file, or the previous version, which is replaced. */
  output: string
  /** How long the version is valid, such as `7d`. Default: what the source states. */
  expires?: string | undefined
  /** Adds a signature to the version that is there, instead of replacing it. It must deny what the source denies. */
  addSignature?: boolean | undefined
  /** URL of a timestamp authority (RFC 3161). */
  timestampAuthority?: string | undefined
  signal?: AbortSignal | undefined
}

const OPTIONS: Shape<SignFeedOptions> = {
  signer: required(SIGNER),
  output: required(pathCopy),
  expires: text,
  addSignature: flag,
  timestampAuthority: text,
  signal: signalCopy,
}

/** A signed version of a feed. */
export interface SignedFeed {
  /** Absolute path of the feed. */
  output: string
  feed: AdvisoryFeed
  /** Number of signatures. */
  signatures: number
  /** False if the signer has signed this version already, so that nothing was added. */
  added: boolean
  /** What the previous version did not deny, or no longer is denied. Absent for a first version, and for a further signature. */
  changes?: FeedChanges
  /** The signers that the previous version names and this one does not: who requires them refuses this one. */
  missingSigners: readonly string[]
  signer?: SignedBy
  logEntries?: readonly LoggedAt[]
  time?: SignedAt
}

const FILE = { what: 'advisory feed', failed: 'FILE_WRITE_FAILED', mode: 0o644 } as const

/**
 * Signs a version of an advisory feed. Its sequence number is one higher than that of the version in the output, so keep the last version:
 * services refuse a feed that starts again.
 *
 * @param source path of the source of the feed
 * @throws {@link ModelSealError} `ADVISORY_INVALID`, `ADVISORY_TOO_LARGE`, `ADVISORY_STALE`, `INVALID_ARGUMENT`, `FILE_*`, `TSA_*`, `ABORTED`,
 * and what the signer throws
 * @example
 * ```ts
 * const signer = await keySigner({ privateKey: 'security.key' })
 * await signFeed('advisories.yaml', { signer, output: 'advisories.jsonl' })
 * ```
 */
export async function signFeed(source: string, given: SignFeedOptions): Promise<SignedFeed> {
  const options = snapshot(given, OPTIONS, 'signFeed')
  const { signer, signal, timestampAuthority, output } = options
  if (timestampAuthority !== undefined) checkTimestampUrl(timestampAuthority)
  if (options.addSignature && options.expires !== undefined) {
    throw new ModelSealError('INVALID_ARGUMENT', 'The options "addSignature" and "expires" cannot be used together.', {
      hint: 'A further signature is over the version that is there, which says when it expires.',
    })
  }
  const wanted = await readFeedSource(source)
  const current = await currentFeed(output, wanted, signal)
  const { payload, lines, changes } = options.addSignature
    ? await sameVersion(output, wanted, current)
    : await nextVersion(wanted, current, options.expires)
  // Nobody signs what readers refuse.
  const feed = await readFeed(payload, { file: source, signal })
  await signer.prepare?.()
  const { bundle, signed, checked, time } = await signPayload(payload, signer, { signal, timestampAuthority })
  const added = !(await isSignedAlready(lines, bundle, { signer, publicKey: signed.publicKey, signal }))
  const bytes = Buffer.concat([...lines, ...(added ? [bundle] : [])].flatMap((line) => [line, Buffer.from('\n')]))
  const { bundles } = await parseFeedFile(bytes, { file: output, signal })
  if (added && !(await replaceUnlessChanged(output, bytes, current?.bytes, FILE))) throw changedMeanwhile(output)
  const who = checked?.signer ?? signed.signer
  const before = current ? await descriptions(current.bundles, output) : []
  const after = await descriptions(bundles, output)
  return {
    output,
    feed,
    signatures: bundles.length,
    added,
    ...(changes ? { changes } : {}),
    missingSigners: before.filter((one) => !after.includes(one)),
    ...(who ? { signer: who } : {}),
    ...(signed.logEntries?.length ? { logEntries: signed.logEntries } : {}),
    ...(time ? { time } : {}),
  }
}

async function descriptions(bundles: FoundFeed['bundles'], path: string): Promise<string[]> {
  const signers = await namedSigners(bundles, path)
  return [...new Set(signers.flatMap((signer) => signer?.description ?? []))]
}

/** Its version has the same number as the one that was signed here. */
function changedMeanwhile(output: string): ModelSealError {
  return new ModelSealError(
    'FILE_CHANGED',
    `Cannot write the feed ${shown(output)}: it was changed while it was signed.`,
    {
      file: output,
      hint: 'Somebody else signed it at the same time. Look at what is there now ("modelseal advisory show"), and sign again.',
    },
  )
}

/** The feed that is there. Any other file would be spoilt. */
async function currentFeed(
  output: string,
  { feed }: FeedSource,
  signal: AbortSignal | undefined,
): Promise<FoundFeed | undefined> {
  try {
    const current = await readFeedFile(output, signal)
    if (current.feed.feed === feed) return current
    throw new ModelSealError('ADVISORY_INVALID', 'Cannot sign the feed: the output is another feed.', {
      file: output,
      expected: shown(feed),
      found: shown(current.feed.feed),
      hint: 'Write each feed to a file of its own.',
    })
  } catch (error) {
    if (error instanceof ModelSealError && error.code === 'FILE_NOT_FOUND') return undefined
    throw error
  }
}

/** What is signed, the lines that stay, and what differs from the previous version. */
interface Version {
  payload: Buffer
  lines: readonly Buffer[]
  changes?: FeedChanges
}

async function nextVersion(
  { feed, denied, expires: stated }: FeedSource,
  current: FoundFeed | undefined,
  given: string | undefined,
): Promise<Version> {
  const duration = parseDuration(given ?? stated)
  if (!duration) {
    throw new ModelSealError('INVALID_ARGUMENT', 'Invalid value for option "expires".', {
      expected: 'a duration such as 7d, 12h or P1M',
      found: shown(given ?? ''),
    })
  }
  const { months, milliseconds } = duration
  const now = Math.floor(Date.now() / 1_000) * 1_000
  const expires = before(now, { months: -months, milliseconds: -milliseconds })
  const sequence = (current?.feed.sequence ?? 0) + 1
  const payload = writeFeedStatement({ feed, sequence, issued: secondsOf(now), expires: secondsOf(expires), denied })
  return { payload, lines: [], ...(current ? { changes: await changesBetween(current.feed.denied, denied) } : {}) }
}

function secondsOf(time: number): string {
  return new Date(time).toISOString().replace(/\.\d+/, '')
}

/** Refuses to sign what the signer has not seen in the source. */
async function sameVersion(output: string, source: FeedSource, current: FoundFeed | undefined): Promise<Version> {
  if (!current) {
    throw new ModelSealError('FILE_NOT_FOUND', `Cannot add a signature to ${shown(output)}: there is no feed.`, {
      file: output,
      hint: 'The first signer signs without --add-signature.',
    })
  }
  const { added, removed, changed } = await changesBetween(current.feed.denied, source.denied)
  const [different] = [...added, ...removed, ...changed]
  if (different) {
    throw new ModelSealError(
      'ADVISORY_INVALID',
      'Cannot add a signature: the feed does not deny what its source denies.',
      {
        file: output,
        found: `a difference about the ${different.description}`,
        hint: 'Compare the two. To sign what the source denies, leave --add-signature out, and have the other signers sign again.',
      },
    )
  }
  if (Date.parse(current.feed.expires) <= Date.now()) throw feedExpired(current.feed, output)
  const [{ envelope }] = current.bundles
  return { payload: envelope.payload, lines: current.lines }
}
