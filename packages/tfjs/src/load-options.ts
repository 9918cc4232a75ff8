import { isAbortSignal } from '@modelseal/core/any-realm'
import { ModelSealError, shown, type OpenOptions } from '@modelseal/core'

/** Options of tf's loaders with which something else than the verified bytes would be loaded. */
const REDIRECTING = ['weightPathPrefix', 'weightUrlConverter', 'fetchFunc', 'fromTFHub']
/** Of `requestInit`: without effect in Node, which keeps no cookies and no cache. */
const WITHOUT_EFFECT: ReadonlySet<string> = new Set(['credentials', 'mode', 'cache'])

/** The caller's options, checked and copied, so that what was checked is what counts. */
export interface CheckedLoadOptions {
  /** For tf. */
  tf: object
  onProgress?: ((fraction: number) => void) | undefined
  /** Sent to the origin of a model behind HTTP. */
  headers?: Record<string, string> | undefined
  signal?: AbortSignal | undefined
}

/**
 * @param given what the caller gives to tf's loader
 * @param path of the model, or its URL
 * @throws {@link ModelSealError} `INVALID_ARGUMENT`
 */
export function checkedLoadOptions(given: unknown, path: string): CheckedLoadOptions {
  if (given === undefined || given === null) return { tf: {} }
  if (typeof given !== 'object')
    throw new ModelSealError('INVALID_ARGUMENT', 'The load options are not an object.', { found: typeof given })
  const { requestInit, ...options }: Record<string, unknown> = { ...given }
  for (const name of REDIRECTING) {
    if (options[name] === undefined || options[name] === null || options[name] === false) continue
    throw refused(name, 'A verified model is loaded from its signed files only; leave the option out.')
  }
  const { onProgress } = options as { onProgress?: CheckedLoadOptions['onProgress'] }
  if (requestInit === undefined || requestInit === null) return { tf: options, onProgress }
  if (!/^https?:/i.test(path)) throw refused('requestInit', 'A model on this machine is fetched from nowhere.')
  return { tf: options, onProgress, ...checkedRequest(requestInit) }
}

/** What a request may say: headers, and when to stop. */
function checkedRequest(given: unknown): Pick<CheckedLoadOptions, 'headers' | 'signal'> {
  const { headers, signal, ...rest } = { ...(given as RequestInit) }
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

/** The options of the check, with what the caller told tf in their place. */
export function withRequest(options: OpenOptions, { headers, signal }: CheckedLoadOptions): OpenOptions {
  const { http } = options
  return {
    ...options,
    ...(headers ? { http: { ...http, headers: { ...http?.headers, ...headers } } } : {}),
    signal: options.signal && signal ? AbortSignal.any([options.signal, signal]) : (options.signal ?? signal),
  }
}

function refused(name: string, hint: string): ModelSealError {
  return new ModelSealError('INVALID_ARGUMENT', `The load option ${shown(name)} cannot be used here.`, { hint })
}
