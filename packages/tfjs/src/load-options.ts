import { isAbortSignal, isArray, kindOf } from '@modelseal/core/any-realm'
import { ModelSealError, shown, type HttpOptions, type OpenOptions } from '@modelseal/core'

/** Options of tf's loaders with which something other than the verified bytes would be loaded. */
const REDIRECTING = ['weightPathPrefix', 'fromTFHub']
/** Of `requestInit`: without effect in Node, which keeps no cookies and no cache. */
const WITHOUT_EFFECT: ReadonlySet<string> = new Set(['credentials', 'mode', 'cache'])

const NOT_HTTP = 'It is for models behind HTTP only.'

/** The caller's options, checked and copied, so that what was checked is what counts. */
export interface CheckedLoadOptions {
  /** For tf. */
  tf: object
  onProgress?: ((fraction: number) => void) | undefined
  /** Sent to the origin of a model behind HTTP. */
  headers?: Record<string, string> | undefined
  signal?: AbortSignal | undefined
  /** Gives the address of a file of weights, by the path in `model.json`: over HTTP only. */
  weightUrlConverter?: WeightUrlConverter | undefined
  fetchFunc?: HttpOptions['fetch']
}

type WeightUrlConverter = (path: string) => string | Promise<string>

/**
 * @param given what the caller gives to tf's loader
 * @param isHttp true for a model behind HTTP
 * @throws {@link ModelSealError} `INVALID_ARGUMENT`
 */
export function checkedLoadOptions(given: unknown, isHttp: boolean): CheckedLoadOptions {
  if (given === undefined || given === null) return { tf: {} }
  if (typeof given !== 'object' || isArray(given) || ArrayBuffer.isView(given))
    throw new ModelSealError('INVALID_ARGUMENT', 'The load options are not an object.', { found: kindOf(given) })
  const { requestInit, ...options } = readable<Record<string, unknown>>(() => ({ ...given }))
  for (const name of REDIRECTING) {
    if (options[name] === undefined || options[name] === null || options[name] === false) continue
    throw refused(name, 'A verified model is loaded from its signed files only; leave the option out.')
  }
  const { onProgress: report, weightUrlConverter, fetchFunc, ...others } = options
  if (report !== undefined && report !== null && typeof report !== 'function')
    throw refused('onProgress', 'Give a function.')
  const onProgress = (report ?? undefined) as CheckedLoadOptions['onProgress']
  const read: CheckedLoadOptions = { tf: { ...others, ...(onProgress ? { onProgress } : {}) }, onProgress }
  for (const [name, value] of Object.entries<unknown>({ weightUrlConverter, fetchFunc })) {
    if (value === undefined || value === null) continue
    if (typeof value !== 'function') throw refused(name, 'Give a function.')
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
    throw new ModelSealError('INVALID_ARGUMENT', 'The load options cannot be read.', { cause })
  }
}

/** What a request may say: headers, and when to stop. */
function checkedRequest(given: unknown): Pick<CheckedLoadOptions, 'headers' | 'signal'> {
  const { headers, signal, ...rest } = readable(() => ({ ...(given as RequestInit) }))
  const other = Object.keys(rest).find((name) => !WITHOUT_EFFECT.has(name))
  if (other !== undefined)
    throw refused(`requestInit.${other}`, 'Of a request, only its headers and its signal can be chosen.')
  if (signal !== undefined && signal !== null && !isAbortSignal(signal))
    throw refused('requestInit.signal', 'Give an AbortSignal.')
  try {
    return { headers: Object.fromEntries(new Headers(headers ?? {})), signal: signal ?? undefined }
  } catch {
    // The cause would show the value, which may be a secret.
    throw refused('requestInit.headers', 'Give names and values that HTTP allows.')
  }
}

/**
 * The options of the check, with what the caller told tf in their place.
 *
 * @param weightPaths by signed name, what `model.json` calls a file of weights; known when it was read
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
  return new ModelSealError('INVALID_ARGUMENT', `The load option ${shown(name)} cannot be used here.`, { hint })
}
