import { ModelSealError, type HttpOptions, type OpenOptions } from '@modelseal/core'
import { shown } from '@modelseal/core/adapter'
import { isAbortSignal, isArray, kindOf } from '@modelseal/core/any-realm'

/** Options that would make tf's loaders load something other than the verified bytes. */
const REDIRECTING = ['weightPathPrefix', 'fromTFHub']
/** Fields of `requestInit` without effect in Node.js, which keeps no cookies and no cache. */
const WITHOUT_EFFECT: ReadonlySet<string> = new Set(['credentials', 'mode', 'cache'])

const NOT_HTTP = 'It applies only to models over HTTP.'

/** A checked copy of the caller's options, so that exactly the checked values are used. */
export interface CheckedLoadOptions {
  /** Options for tf. */
  tf: object
  onProgress?: ((fraction: number) => void) | undefined
  /** Headers that are sent to the origin of a model over HTTP. */
  headers?: Record<string, string> | undefined
  signal?: AbortSignal | undefined
  /** Returns the URL of a weights file for its path in `model.json`. For HTTP only. */
  weightUrlConverter?: WeightUrlConverter | undefined
  fetchFunc?: HttpOptions['fetch']
}

type WeightUrlConverter = (path: string) => string | Promise<string>

/**
 * @param given the options that the caller passes to tf's loader
 * @param isHttp whether the model is loaded over HTTP
 * @throws {@link ModelSealError} `INVALID_ARGUMENT`
 */
export function checkedLoadOptions(given: unknown, isHttp: boolean): CheckedLoadOptions {
  if (given === undefined || given === null) return { tf: {} }
  if (typeof given !== 'object' || isArray(given) || ArrayBuffer.isView(given))
    throw new ModelSealError('INVALID_ARGUMENT', 'Invalid load options: expected an object.', { found: kindOf(given) })
  const { requestInit, ...options } = readable<Record<string, unknown>>(() => ({ ...given }))
  for (const name of REDIRECTING) {
    if (options[name] === undefined || options[name] === null || options[name] === false) continue
    throw refused(name, 'A verified model is loaded only from its signed files. Omit the option.')
  }
  const { onProgress: report, weightUrlConverter, fetchFunc, ...others } = options
  if (report !== undefined && report !== null && typeof report !== 'function')
    throw refused('onProgress', 'It must be a function.')
  const onProgress = (report ?? undefined) as CheckedLoadOptions['onProgress']
  const read: CheckedLoadOptions = { tf: { ...others, ...(onProgress ? { onProgress } : {}) }, onProgress }
  for (const [name, value] of Object.entries<unknown>({ weightUrlConverter, fetchFunc })) {
    if (value === undefined || value === null) continue
    if (typeof value !== 'function') throw refused(name, 'It must be a function.')
    if (!isHttp) throw refused(name, NOT_HTTP)
    Object.assign(read, { [name]: value })
  }
  if (requestInit === undefined || requestInit === null) return read
  if (!isHttp) throw refused('requestInit', NOT_HTTP)
  return { ...read, ...checkedRequest(requestInit) }
}

/** Getters and proxies of the caller may throw anything. */
function readable<T>(read: () => T): T {
  try {
    return read()
  } catch (cause) {
    throw new ModelSealError('INVALID_ARGUMENT', 'Cannot read the load options.', { cause })
  }
}

/** The allowed parts of a request: its headers and its signal. */
function checkedRequest(given: unknown): Pick<CheckedLoadOptions, 'headers' | 'signal'> {
  const { headers, signal, ...rest } = readable(() => ({ ...(given as RequestInit) }))
  const other = Object.keys(rest).find((name) => !WITHOUT_EFFECT.has(name))
  if (other !== undefined)
    throw refused(`requestInit.${other}`, 'Only the headers and the signal of a request can be set.')
  if (signal !== undefined && signal !== null && !isAbortSignal(signal))
    throw refused('requestInit.signal', 'It must be an AbortSignal.')
  try {
    return { headers: Object.fromEntries(new Headers(headers ?? {})), signal: signal ?? undefined }
  } catch {
    // No cause: it would show the value, which may be a secret.
    throw refused('requestInit.headers', 'It must have names and values that HTTP allows.')
  }
}

/**
 * The options of the check, merged with the options that the caller gave tf.
 *
 * @param weightPaths the path of each weights file in `model.json`, by signed name; filled once it was read
 */
export function withRequest(
  options: OpenOptions,
  { headers, signal, fetchFunc, weightUrlConverter }: CheckedLoadOptions,
  weightPaths: ReadonlyMap<string, string>,
): OpenOptions {
  const { http } = options
  const urlFor = (name: string) => {
    const path = weightPaths.get(name)
    return path === undefined ? http?.urlFor?.(name) : weightUrlConverter?.(path)
  }
  const more: HttpOptions = {
    ...(headers ? { headers: { ...http?.headers, ...headers } } : {}),
    ...(fetchFunc ? { fetch: fetchFunc } : {}),
    ...(weightUrlConverter ? { urlFor } : {}),
  }
  return {
    ...options,
    ...(Object.keys(more).length > 0 ? { http: { ...http, ...more } } : {}),
    signal: options.signal && signal ? AbortSignal.any([options.signal, signal]) : (options.signal ?? signal),
  }
}

function refused(name: string, hint: string): ModelSealError {
  return new ModelSealError('INVALID_ARGUMENT', `Cannot use the load option ${shown(name)} for this model.`, { hint })
}
