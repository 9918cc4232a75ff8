import { parseTrustConfig, parseSigningConfig } from './trust-config.ts'
import { ModelSealError } from '../../errors.ts'
import { DEFAULT_TIMEOUT_MS } from '../../source/http/service-call.ts'
import { milliseconds, signal } from '../../kinds.ts'
import { snapshot, type Shape } from '../../snapshot.ts'
import type { TrustRootInfo } from '../../results.ts'
import { fixedSource, loadSigstoreTrust, toTrust } from './trust.ts'
import { fetchRecord } from '../tuf/fetch.ts'
import { readRecord, verifyRecord, writeRecord } from '../tuf/record.ts'
import type { TufRecord } from '../tuf/record-text.ts'
import { repositoryOf, type TufInstance, type TufRepository } from '../tuf/repository.ts'

export interface UpdateOptions {
  /** Timeout in milliseconds for each file that is fetched. Default 30,000. */
  timeoutMs?: number | undefined
  signal?: AbortSignal | undefined
}

/**
 * Fetches the trusted root of a Sigstore instance by TUF (The Update Framework 1.0.33) into the cache
 * of this user. Everything is verified before anything is stored; a failure leaves the cache unchanged.
 *
 * @returns the root that is used from now on
 * @throws {@link ModelSealError} `SERVICE_UNREACHABLE`, `SERVICE_REFUSED`, `TUF_EXPIRED`, `TUF_ROLLBACK`,
 * `TUF_SIGNATURE`, `TUF_INVALID`, `TRUST_ROOT_INVALID`, `SIGNING_CONFIG_INVALID`, `CACHE_UNSAFE`,
 * `FILE_WRITE_FAILED`, `INVALID_ARGUMENT`, `ABORTED`, and what reading `tufRoot` throws
 * @example
 * ```ts
 * const { fetched, expires } = await updateTrustRoot('public-good')
 * ```
 */
export async function updateTrustRoot(given: TufInstance, options?: UpdateOptions): Promise<TrustRootInfo> {
  const instance = fixedSource(given) as TufInstance
  const { timeoutMs = DEFAULT_TIMEOUT_MS, signal: abort } = snapshot(options, OPTIONS, 'updateTrustRoot')
  const repository = await repositoryOf(instance)
  const record = await fetchRecord(repository, await knownRecord(repository), { timeoutMs, signal: abort })
  // The same checks as on reading, so that nothing unusable is stored.
  await verifyRecord(record, repository)
  await toTrust(await parseTrustConfig(record.trustedRoot), { name: repository.name, source: 'refreshed' })
  if (record.signingConfig) await parseSigningConfig(record.signingConfig)
  await writeRecord(repository.url, record)
  return (await loadSigstoreTrust(instance)).info
}

const OPTIONS: Shape<UpdateOptions> = { timeoutMs: milliseconds, signal }

/** Undefined for a record that cannot be verified: an update replaces it. */
async function knownRecord(repository: TufRepository): Promise<TufRecord | undefined> {
  try {
    const record = await readRecord(repository.url)
    if (record) await verifyRecord(record, repository)
    return record
  } catch (error) {
    if (error instanceof ModelSealError && error.code !== 'CACHE_UNSAFE') return undefined
    throw error
  }
}
