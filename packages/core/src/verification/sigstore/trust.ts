import { createHash } from 'node:crypto'
import { resolve } from 'node:path'
import type { TrustMaterial } from '@sigstore/verify'
import type { SigningConfig, TrustedRoot } from '@sigstore/protobuf-specs'
import {
  parseSigningConfig,
  parseTrustConfig,
  readTrustConfig,
  trustRootInvalid,
  type TrustConfig,
} from './trust-config.ts'
import { ModelSealError, shown } from '../../errors.ts'
import type { TrustRootInfo } from '../../results.ts'
import { readX509 } from '../../x509/certificate.ts'
import { checkKey, weaknessOfKey } from '../../x509/strength.ts'
import { choice, path, required, text } from '../../kinds.ts'
import { snapshot } from '../../snapshot.ts'
import { readSmallFile, type ReadFile } from '../../source/read-small-file.ts'
import { isSuperseded, readRecord, recordPath, verifyRecord, type VerifiedRecord } from '../tuf/record.ts'
import type { TufRecord } from '../tuf/record-text.ts'
import { repositoryOf, repositoryUrl, type TufInstance, type TufRepository, type TufSource } from '../tuf/repository.ts'

/** The Sigstore instance to trust: a public one, one that distributes its root by TUF, or one that a file describes. */
export type TrustRootSource =
  | 'public-good'
  | 'staging'
  | TufSource
  | { /** Path of a ClientTrustConfig or of a `trusted_root.json`. */ file: string }

/** A trusted root, ready for verification. */
export interface SigstoreTrust {
  info: TrustRootInfo
  /** @internal */
  root: TrustedRoot
  /** The text of its `trusted_root.json`. */
  text: Buffer
  /** @internal */
  material: TrustMaterial
  /** @internal The services to sign with, if they came with the root. */
  signingConfig?: SigningConfig | undefined
}

/**
 * Loads a Sigstore trusted root. Nothing is fetched: for an instance that distributes it by TUF, it is
 * the root that `updateTrustRoot` put into the cache, verified again, or else the included one. A cached
 * root that cannot be verified is refused, not ignored.
 *
 * @throws {@link ModelSealError} `TRUST_ROOT_INVALID`, `TRUST_ROOT_MISSING`, `TUF_SIGNATURE`, `TUF_ROLLBACK`,
 * `TUF_INVALID`, `CACHE_UNSAFE`, `INVALID_ARGUMENT`, `BASE64_INVALID`, `FILE_*`, `JSON_*`
 * @example
 * ```ts
 * const trust = await loadSigstoreTrust('public-good')
 * console.log(trust.info.newest)
 * ```
 */
export async function loadSigstoreTrust(source: TrustRootSource): Promise<SigstoreTrust> {
  return readSigstoreTrust(fixedSource(source), readSmallFile)
}

interface SourceFields {
  tufUrl?: string
  tufRoot?: string
  file?: string
}

const INSTANCE = choice('public-good', 'staging')

/**
 * A copy of the source, with absolute paths.
 *
 * @throws {@link ModelSealError} `INVALID_ARGUMENT` if it is not a valid source
 */
export function fixedSource(source: unknown): TrustRootSource {
  if (typeof source !== 'object' || source === null) return INSTANCE(source, 'trustRoot') as TrustRootSource
  const { tufUrl, tufRoot, file } = snapshot<SourceFields>(
    source,
    { tufUrl: text, tufRoot: path, file: path },
    'a trust root',
  )
  const described = tufUrl === undefined ? { file } : { tufUrl, tufRoot }
  for (const [name, value] of Object.entries(described)) required(text)(value, name)
  return Object.freeze({ __proto__: null, ...described }) as TrustRootSource
}

/**
 * Like {@link loadSigstoreTrust}.
 *
 * @param read reads the file that the source names
 * @throws {@link ModelSealError} likewise, and what `read` throws
 */
export async function readSigstoreTrust(source: TrustRootSource, read: ReadFile): Promise<SigstoreTrust> {
  if (typeof source === 'string' || 'tufUrl' in source) return loadFromInstance(source, read)
  const path = resolve(source.file)
  return toTrust(await readTrustConfig(path, read), { name: path, source: 'file' })
}

/**
 * The file that {@link loadSigstoreTrust} reads, which need not exist yet. It changes when the root does.
 *
 * @returns undefined if this user has no cache
 */
export function trustRootPath(source: TrustRootSource): string | undefined {
  return typeof source !== 'string' && 'file' in source ? resolve(source.file) : recordPath(repositoryUrl(source))
}

async function loadFromInstance(instance: TufInstance, read: ReadFile): Promise<SigstoreTrust> {
  const repository = await repositoryOf(instance, read)
  const { name, url, included: text } = repository
  const included = text && (await toTrust(await parseTrustConfig(text), { name, source: 'carried' }))
  const record = await readRecord(url)
  if (record && !isSuperseded(record, repository)) {
    const refreshed = await refreshedTrust(repository, record, await verifyRecord(record, repository))
    if (!included || !isLater(included, refreshed, record)) return refreshed
  }
  if (included) return included
  throw new ModelSealError('TRUST_ROOT_MISSING', `The trusted root of ${shown(name)} has not been fetched yet.`, {
    hint: 'Fetch it with "modelseal trust-root update", with the same --tuf-url and --tuf-root.',
  })
}

/**
 * True if the included root has a key that came into use after the cached root was fetched, as after an upgrade of this package.
 * A newer key alone proves nothing: the instance may have withdrawn it.
 */
function isLater(
  { info: included }: SigstoreTrust,
  { info: refreshed }: SigstoreTrust,
  { fetched }: TufRecord,
): boolean {
  return Date.parse(included.newest) > Math.max(Date.parse(fetched), Date.parse(refreshed.newest))
}

async function refreshedTrust(
  { name, url }: TufRepository,
  record: TufRecord,
  { expires }: VerifiedRecord,
): Promise<SigstoreTrust> {
  const path = recordPath(url)
  const info = { name, source: 'refreshed', fetched: record.fetched, expires } as const
  const trust = await toTrust(await parseTrustConfig(record.trustedRoot, path), info)
  const signingConfig = record.signingConfig && (await parseSigningConfig(record.signingConfig, path))
  return { ...trust, signingConfig }
}

/** Prepares a parsed root for verification. */
export async function toTrust(
  config: TrustConfig,
  info: Omit<TrustRootInfo, 'digest' | 'newest'>,
): Promise<SigstoreTrust> {
  const { trustedRoot: root, text, signingConfig } = config
  const { toTrustMaterial } = await import('@sigstore/verify')
  const digest = createHash('sha256').update(text).digest('hex')
  try {
    rangesOf(root).forEach(checkRange)
    const material = toTrustMaterial(root)
    for (const { baseURL, publicKey } of [...material.tlogs, ...material.ctlogs]) {
      const weakness = weaknessOfKey(publicKey)
      if (weakness !== undefined) throw new Error(`the log ${baseURL} has ${weakness}`)
    }
    // Their own signatures prove nothing, but everything that they sign is trusted.
    for (const { certChain } of [...root.certificateAuthorities, ...root.timestampAuthorities])
      for (const { rawBytes } of certChain?.certificates ?? []) checkKey(readX509(rawBytes))
    return { info: { ...info, digest, newest: newestOf(root) }, root, text, material, signingConfig }
  } catch (cause) {
    throw trustRootInvalid(cause, info.source === 'file' ? info.name : undefined)
  }
}

function newestOf(root: TrustedRoot): string {
  return new Date(Math.max(0, ...rangesOf(root).map((range) => range?.start?.getTime() ?? 0))).toISOString()
}

interface TimeRange {
  start?: Date | undefined
  end?: Date | undefined
}

/** The periods of validity of the logs' keys and the authorities. */
function rangesOf(root: TrustedRoot): (TimeRange | undefined)[] {
  return [
    ...[...root.tlogs, ...root.ctlogs].map(({ publicKey }) => publicKey?.validFor),
    ...[...root.certificateAuthorities, ...root.timestampAuthorities].map(({ validFor }) => validFor),
  ]
}

/** `sigstore_common.proto`, TimeRange: a start, and an optional end. `@sigstore/verify` treats a missing range as always valid. */
function checkRange(range: TimeRange | undefined): void {
  const { start, end } = range ?? {}
  if (!start) throw new Error('one of its keys or authorities has no validFor.start')
  if (Number.isNaN(start.getTime()) || (end && !(end >= start)))
    throw new Error('one of its keys or authorities has a validFor that ends before it starts')
}

/** True if all the times are within the range. */
export function isValidAt({ start, end }: TimeRange = {}, times: readonly Date[]): boolean {
  return start !== undefined && times.every((at) => at >= start && (end === undefined || at <= end))
}
