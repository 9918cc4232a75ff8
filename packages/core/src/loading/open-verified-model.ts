import { invalidArgument } from '../kinds.ts'
import { modelLocation } from '../source/model-location.ts'
import type { ModelSource } from '../source/model-source.ts'
import { installedGuard } from './guard.ts'
import type { Gather, ModelReader } from './model-reader.ts'
import { openJudged } from './open-judged.ts'
import { openOptions, type OpenOptions } from './open-options.ts'
import type { OpenedModel } from './verified-model.ts'

export type { ModelReader }

/**
 * Opens a model for any runtime: finds policy and bundle, verifies the signature, judges the signer, and checks every
 * file against the signed manifest. If any step fails, the model is refused. Either way, the verdict is published (see
 * `VERDICT_CHANNEL`).
 *
 * `gather` is for loaders: it reads what the runtime needs before the remaining files are checked, so that no file is
 * read twice. Its result must not reach the runtime before this function has returned, because only then is the whole
 * model verified. It is called again if a rule in the mode `audit` loads the model after the check failed.
 *
 * Models can be loaded over HTTP; see `HttpOptions` for redirects and timeouts. Only files that the signature names are
 * fetched. To load from other places, pass a source (`@modelseal/core/source`), or a URL whose scheme a package
 * registered (`registerScheme`).
 *
 * @param source path of a directory or file; or its URL as a string or `URL` (`file:`, `http:`, `https:` or a
 * registered scheme), with a trailing slash for a directory over HTTP; or a {@link ModelSource}
 * @throws {@link ModelSealError} `INVALID_ARGUMENT`, `POLICY_NOT_FOUND`, `POLICY_UNTRUSTED`, `POLICY_INVALID`,
 * `POLICY_STALE`, `ADVISORY_STALE`, `POLICY_NO_MATCH`, `FORMAT_UNPROVEN`, `NAME_AMBIGUOUS`, `MODEL_FORMAT`, `MODEL_NOT_FOUND`,
 * `BUNDLE_NOT_FOUND`, `SIGNER_NOT_TRUSTED`, `SIGNATURE_INVALID`, `SIGNATURE_THRESHOLD`, `SIGNATURE_TIME_UNKNOWN`,
 * `SIGNATURE_TOO_OLD`, `KEY_OUTSIDE_VALIDITY`, `TIMESTAMP_REQUIRED`, `LOG_REQUIRED`, `HASH_ALGORITHM_REFUSED`,
 * `ISOLATION_REFUSED`, `REVISION_NOT_PINNED`, `MODEL_REVOKED`, `FILE_REVOKED`, `KEY_REVOKED`, `CERTIFICATE_REVOKED`, `IDENTITY_REVOKED`,
 * `FILE_MISSING`, `FILE_UNSIGNED`, `FILE_MISMATCH`, `HTTP_UNREACHABLE`, `HTTP_TIMEOUT`, `HTTP_RESPONSE`,
 * `HTTP_REDIRECT`, `SCHEME_UNKNOWN`, `SOURCE_FAILED`, `SOURCE_TIMEOUT`, `SOURCE_LISTING`, and the codes of reading,
 * parsing and hashing
 * @example
 * ```ts
 * const model = await openVerifiedModel('models/llama', { policy: 'trust-policy.yaml' })
 * const config = await model.read('config.json')
 * await model.close()
 * ```
 */
export async function openVerifiedModel(
  source: string | URL | ModelSource,
  options?: OpenOptions,
): Promise<OpenedModel<undefined>>
export async function openVerifiedModel<T>(
  source: string | URL | ModelSource,
  options: OpenOptions,
  gather: (reader: ModelReader) => Promise<T>,
): Promise<OpenedModel<T>>
export async function openVerifiedModel<T>(
  given: string | URL | ModelSource,
  givenOptions?: OpenOptions,
  gather?: Gather<T>,
): Promise<OpenedModel<T | undefined>> {
  const options = openOptions(givenOptions)
  if (gather !== undefined && typeof gather !== 'function') throw invalidArgument('the gatherer', 'a function', gather)
  const load = { source: modelLocation(given), options, gather: gather ?? NOTHING }
  const guard = installedGuard()
  return guard ? guard.open<T | undefined>(load) : openJudged<T | undefined>(load, [options])
}

const NOTHING = () => Promise.resolve(undefined)
