import { checkedMaxBundleBytes } from '../bundle/read-bundle.ts'
import { choiceIn } from '../environment.ts'
import { isFileUrlText, schemeOf } from '../absolute-path.ts'
import { isUrl } from '../any-realm.ts'
import type { Revoked } from '../events.ts'
import { shown } from '../errors.ts'
import type { ProgressCallback } from '../hashing/hash-files.ts'
import type { ModelFormat } from '../results.ts'
import { FORMAT_NAME, MODEL_FORMATS, misspeltFormat, OTHER_FORMAT } from '../policy/model-formats.ts'
import type { PossibleFormats } from '../policy/matching/match.ts'
import { isPolicy, type Policy } from '../policy/policy.ts'
import { ISOLATION_LEVELS } from '../policy/terms.ts'
import { isWatchedPolicy, type WatchedPolicy } from '../policy/watching/watch-policy.ts'
import type { HttpOptions } from '../source/http/options.ts'
import {
  callback,
  choice,
  flag,
  invalidOption,
  listOf,
  localPath,
  path,
  required,
  signal,
  text,
  type Copy,
} from '../kinds.ts'
import { snapshot, textsCopy, withoutPrototype, type Shape } from '../snapshot.ts'
import type { Isolation } from './placing/isolation.ts'

/** What happens if a model is revoked after it was loaded. */
export type OnRevoked = 'release' | 'exit' | ((revoked: Revoked) => void)

export interface OpenOptions {
  /**
   * The trust policy: a path, a `file:` URL, or a loaded or watched policy. Default: the policy that the search finds.
   * A policy that is given by path or found is read again whenever one of its files has changed.
   */
  policy?: string | URL | Policy | WatchedPolicy | undefined
  /** Path of the bundle, or its URL if the model is loaded over HTTP. Default: a bundle beside the model. */
  signature?: string | undefined
  /**
   * The format that the caller will load, for rules that match by format: one of this project's adapters, or the
   * name that another adapter has for its own, such as `gguf` (1 to 40 lower-case letters, digits and hyphens, and not
   * one typo away from a known format). The program is trusted, so never take it from the model. A loader that accepts
   * several formats lists all of them, and calls {@link ModelReader.loads} to report the one that it finds.
   */
  format?: ModelFormat | PossibleFormats | undefined
  /** Absolute URL, without credentials, from which the model was fetched, for rules that match by URL. */
  url?: string | undefined
  /**
   * How the runtime gets the files. Default: the environment variable `MODELSEAL_ISOLATION`, or else `auto`. If the
   * rule does not allow it, the model is refused.
   */
  isolation?: Isolation | undefined
  /**
   * Largest size of a signature bundle, in bytes. Default: 32 MiB; the bundle of a model with 100,000 files takes 17 MiB. A
   * bundle is read before anything about it is verified. If the rule also has `maxBundleBytes`, the smaller value
   * applies.
   */
  maxBundleBytes?: number | undefined
  /** How to fetch a model whose path is a URL. */
  http?: HttpOptions | undefined
  /**
   * True to load a model unverified if it would be refused, as a rule in the mode `audit` does, even if there is no rule or
   * policy. Revocations still apply if a policy is found. Use it to find out what a policy would refuse.
   */
  audit?: boolean | undefined
  /**
   * Largest total size of the model's files, in bytes. Only files that are loaded count if the rule says `files: loaded` or the
   * model is loaded unverified. A larger model is refused (`FILE_TOO_LARGE`) before it is read. Default: no limit for a
   * model on this machine. Over HTTP, `http.maxBytes` applies as well.
   */
  maxBytes?: number | undefined
  /**
   * What happens if the model is revoked after it was loaded, see `revoked` of the opened model: `release` has the adapter release what
   * the runtime created, which then fails with `MODEL_REVOKED`; `exit` ends the process with the code 1 and a message on stderr; a
   * function is called. Default: only `revoked` and `REVOKED_CHANNEL` tell of it.
   */
  onRevoked?: OnRevoked | undefined
  signal?: AbortSignal | undefined
  /** Called with the number of bytes done and the total; over HTTP, the total announced so far. */
  onProgress?: ProgressCallback | undefined
}

/** A trust policy: an absolute path, or what `loadPolicy()` or `watchPolicy()` returned. */
export const policyCopy: Copy = (value, option) => {
  if (isPolicy(value) || isWatchedPolicy(value)) return value
  if (typeof value === 'string' || isUrl(value)) return localPath(value, option)
  throw invalidOption(option, 'a path, a "file:" URL, or the result of loadPolicy() or watchPolicy()', value)
}

/** URLs are not resolved against the working directory. Whether the source of the model knows one is found out later. */
export const signatureCopy: Copy = (value, option) =>
  schemeOf(value) !== undefined && !isFileUrlText(value) ? value : path(value, option)

const format: Copy = (value, option) => {
  if (typeof value === 'string') return formatName(value, option)
  const { oneOf, claimed } = snapshot(value as PossibleFormats, POSSIBLE_FORMATS, `the option "${option}"`)
  if ((oneOf as readonly unknown[]).length === 0) throw invalidOption(`${option}.oneOf`, 'at least one format', oneOf)
  return Object.freeze({ oneOf, claimed })
}

const formatName: Copy = (value, option) => {
  if (typeof value === 'string' && FORMAT_NAME.test(value) && misspeltFormat(value) === undefined) return value
  throw invalidOption(option, [...MODEL_FORMATS.map(shown), OTHER_FORMAT].join(' or '), value)
}
const POSSIBLE_FORMATS: Shape<PossibleFormats> = { oneOf: required(listOf(formatName)), claimed: required(callback) }

const onRevoked: Copy = (value, option) => {
  if (value === 'release' || value === 'exit') return value
  if (typeof value === 'function') return value
  throw invalidOption(option, '"release", "exit" or a function', value)
}

const HTTP: Shape<HttpOptions> = {
  headers: textsCopy,
  urlFor: callback,
  fetch: callback,
  redirectOrigins: listOf(text),
  maxBytes: true,
  idleTimeout: true,
  totalTimeout: true,
}

export const OPTIONS: Shape<OpenOptions> = {
  policy: policyCopy,
  signature: signatureCopy,
  format,
  url: text,
  isolation: choice(...ISOLATION_LEVELS, 'auto'),
  maxBundleBytes: true,
  http: (value) => snapshot(value as HttpOptions, HTTP, 'the option "http"'),
  audit: flag,
  maxBytes: true,
  onRevoked,
  signal,
  onProgress: callback,
}

/**
 * Copies the options of a load, with absolute paths. Called before the first `await`, so that later changes to the
 * working directory or the options do not affect the load.
 *
 * A misspelt `policy`, or one left empty by an unset variable, would otherwise silently select the policy that the
 * search finds.
 *
 * @throws {@link ModelSealError} `INVALID_ARGUMENT` for unknown options and invalid values
 * @example
 * ```ts
 * const options = openOptions({ policy: 'trust-policy.yaml' })
 * process.chdir('/') // the policy is still the same
 * const model = await openVerifiedModel('/srv/models/vad', options)
 * ```
 */
export function openOptions(given: OpenOptions | undefined): Readonly<OpenOptions> {
  return withEnvironment(snapshot(given, OPTIONS, 'a verified load'))
}

/**
 * Like {@link openOptions}, for a loader with further options of its own, which are read once and passed on.
 *
 * @throws {@link ModelSealError} like {@link openOptions}
 */
export function loadOptions<O extends OpenOptions>(given: O | undefined, further: readonly (keyof O & string)[]): O {
  const names = listOf(text)(further, 'further') as readonly string[]
  const own = Object.fromEntries(names.map((name) => [name, true as const]))
  return withEnvironment(snapshot<OpenOptions>(given, { ...OPTIONS, ...own }, 'a verified load')) as O
}

/** For programs that pass no options, such as those that `@modelseal/register` guards. */
function withEnvironment<O extends OpenOptions>(options: Readonly<O>): Readonly<O> {
  const isolation = options.isolation === undefined ? choiceIn('MODELSEAL_ISOLATION') : undefined
  return isolation === undefined ? options : Object.freeze(withoutPrototype({ ...options, isolation }))
}

/** @throws {@link ModelSealError} `INVALID_ARGUMENT` for an invalid limit */
export function checkChoices({ maxBytes, maxBundleBytes }: OpenOptions): void {
  checkedMaxBundleBytes(maxBundleBytes)
  if (maxBytes === undefined || (Number.isSafeInteger(maxBytes) && maxBytes > 0)) return
  throw invalidOption('maxBytes', 'a positive integer (bytes)', maxBytes)
}
