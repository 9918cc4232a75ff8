import { causeOf, isError, messageOf } from '../../any-realm.ts'
import { ModelSealError, shown } from '../../errors.ts'
import { signalAfter } from '../../real-time.ts'
import { withoutPrototype } from '../../snapshot.ts'
import { throwIfAborted } from '../aborted.ts'

/** A call to a service of a Sigstore instance. */
export interface ServiceCall {
  /** What the service is, for messages: `certificate authority`. */
  service: string
  url: string
  /** Milliseconds until the service counts as unreachable. */
  timeoutMs: number
  signal?: AbortSignal | undefined
  /** Tokens, which must not appear in messages. */
  secrets?: readonly string[] | undefined
}

/** Default timeout of a call, in milliseconds. */
export const DEFAULT_TIMEOUT_MS = 30_000

/** Real answers are a few KB. */
const MAX_ANSWER_BYTES = 1024 * 1024

/**
 * Enforces the timeout of a call, whatever the library that makes it does.
 *
 * @throws {@link ModelSealError} `SERVICE_UNREACHABLE`, `SERVICE_REFUSED`, `ABORTED`
 */
export async function callService<T>(call: ServiceCall, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  throwIfAborted(call.signal)
  const limit = signalAfter(call.timeoutMs)
  const signal = call.signal ? AbortSignal.any([call.signal, limit]) : limit
  let stop = () => {}
  const stopped = new Promise<never>((_, reject) => {
    stop = () => reject(new Error('no answer in time'))
    signal.addEventListener('abort', stop, { once: true })
  })
  try {
    return await Promise.race([work(signal), stopped])
  } catch (cause) {
    throwIfAborted(call.signal)
    throw cause instanceof ModelSealError ? cause : serviceFault(call, cause, limit.aborted)
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

/** Requests JSON over HTTP. Redirects are not followed. */
export function fetchJson(call: ServiceCall, init: RequestInit = {}): Promise<Record<string, unknown>> {
  return callService(call, async (signal) => {
    const response = await fetch(call.url, { ...init, redirect: 'error', signal })
    const text = await response.text()
    if (text.length > MAX_ANSWER_BYTES) throw serviceRefusal(call, 'an answer that is too large')
    if (!response.ok) throw serviceRefusal(call, `HTTP status ${response.status}`)
    const json = parsed(text)
    if (json === undefined) throw serviceRefusal(call, 'an answer that is not JSON')
    return json
  })
}

/**
 * Requests bytes over HTTP. Redirects are not followed.
 *
 * @param tooLarge the error for a content of more than `maxBytes`
 */
export async function fetchWithin(
  url: string,
  maxBytes: number,
  signal: AbortSignal,
  tooLarge: () => Error,
): Promise<{ bytes: Buffer } | { status: number }> {
  const response = await fetch(url, { redirect: 'error', signal })
  if (!response.ok || !response.body) {
    await response.body?.cancel()
    return { status: response.status }
  }
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
    length += chunk.length
    if (length > maxBytes) throw tooLarge()
    chunks.push(chunk)
  }
  return { bytes: Buffer.concat(chunks) }
}

function parsed(text: string): Record<string, unknown> | undefined {
  try {
    const json: unknown = JSON.parse(text)
    return typeof json === 'object' && json !== null ? withoutPrototype(json as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}

/** Drops the cause, because libraries put tokens into theirs. */
function serviceFault(call: ServiceCall, cause: unknown, late: boolean): ModelSealError {
  const status = deepest(cause).find((error) => 'statusCode' in error)
  if (status) return serviceRefusal(call, `HTTP status ${String(status.statusCode)}: ${redacted(status.message, call)}`)
  const reason = deepest(cause).at(-1)?.message ?? messageOf(cause)
  return new ModelSealError('SERVICE_UNREACHABLE', `Cannot reach the ${call.service} ${named(call.url)}.`, {
    found: shown(late ? `no answer within ${call.timeoutMs / 1000} s` : redacted(reason, call)),
    hint: 'Check the network and the URL. Nothing was written.',
  })
}

/** The error for an answer that is not the expected one. */
export function serviceRefusal(call: ServiceCall, found: string): ModelSealError {
  return new ModelSealError('SERVICE_REFUSED', `The ${call.service} ${named(call.url)} refused the request.`, {
    found: shown(redacted(found, call)),
    hint: 'Nothing was written.',
  })
}

/** An error and its causes. */
function deepest(error: unknown): (Error & { statusCode?: unknown })[] {
  const chain: Error[] = []
  for (let next = error; isError(next) && chain.length < 10; next = causeOf(next)) chain.push(next)
  return chain
}

function redacted(text: string, { secrets = [] }: ServiceCall): string {
  return secrets.filter((secret) => secret !== '').reduce((rest, secret) => rest.replaceAll(secret, '(token)'), text)
}

/** Without the query, which may hold a secret. */
function named(text: string): string {
  const url = URL.parse(text)
  return url ? shown(url.origin + url.pathname) : 'at an invalid URL'
}
