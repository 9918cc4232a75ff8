import { parseJsonInTurns } from '@modelseal/core/adapter'
import { ModelSealError, shown } from '@modelseal/core/errors'
import { checkedHttpOptions, collected, HttpClient, plainUrl, type HttpRequest } from '@modelseal/core/http'
import { checked, type Credentials } from './credentials.ts'

/** How services are asked. */
export interface Asking {
  readonly signal: AbortSignal
  /** True if nobody waits for the answer. Requests other than GET keep the process alive all the same, until their timeout. */
  readonly detached: boolean
}

/** A request for credentials. */
type ServiceRequest = Asking &
  Pick<HttpRequest, 'url' | 'method' | 'headers' | 'content'> & {
    readonly what: string
    /** For all of it. */
    readonly timeoutMs: number
  }

const MAX_BYTES = 64 * 1024

/**
 * Asks a service that is named by the environment, or is part of the machine, for something secret.
 *
 * @returns undefined if it has no such thing
 * @throws {@link ModelSealError} `CREDENTIALS_UNAVAILABLE` for a token that cannot be sent, `HTTP_UNREACHABLE`, `HTTP_TIMEOUT`, `HTTP_RESPONSE`, `HTTP_REDIRECT`, `SOURCE_FAILED`, `ABORTED`
 */
export async function asked(request: ServiceRequest): Promise<Buffer | undefined> {
  const { timeoutMs, signal, detached, what, ...rest } = request
  // The error of the client would show the value, which is a secret.
  if (Object.values(rest.headers ?? {}).some((value) => !/^[\x20-\x7e]*$/.test(value)))
    throw unavailable(what, { expected: 'a token of printable ASCII, without line breaks', found: 'another one' })
  const options = {
    ...checkedHttpOptions({ totalTimeout: timeoutMs, idleTimeout: timeoutMs }),
    mayRedirect: () => Promise.resolve({ expected: 'no redirect', found: 'one' }),
    hints: { response: HINT, redirect: HINT, timeout: 'and try again.' },
    detached,
  }
  const client = new HttpClient(request.url.origin, options, signal)
  try {
    return await client.get({ ...rest, what, success: new Set([200]) }, (body) => collected(what, MAX_BYTES, body))
  } finally {
    await client.stop()
  }
}

/**
 * The address of a service, from an environment variable. Its user and password would be shown by errors of the client.
 *
 * @param isPlain whether secrets may go there in the clear
 * @throws {@link ModelSealError} `CREDENTIALS_UNAVAILABLE`
 */
export function serviceUrl(text: string, variable: string, isPlain: (hostname: string) => boolean): URL {
  const url = URL.parse(text)
  const isSafe = url?.protocol === 'https:' || (url?.protocol === 'http:' && isPlain(url.hostname))
  if (url && isSafe && url.username === '' && url.password === '') return url
  throw unavailable('credentials', {
    expected: `an https URL without user and password, or one of this machine, in ${variable}`,
    found: url ? shown(url.origin) : 'something else',
  })
}

/** The refusal of a service. */
export function unavailable(what: string, details: { expected: string; found?: string }): ModelSealError {
  return new ModelSealError('CREDENTIALS_UNAVAILABLE', `Cannot get the ${what}.`, { hint: HINT, ...details })
}

const HINT = 'Check the environment variables AWS_…, and the role of this machine.'

/**
 * Credentials as the services of AWS write them.
 *
 * @throws {@link ModelSealError} `CREDENTIALS_UNAVAILABLE` for an answer without them; the codes of JSON
 */
export async function credentialsIn(
  bytes: Buffer,
  of: Pick<ServiceRequest, 'what' | 'url'>,
  pick: (answer: unknown) => unknown = (answer) => answer,
): Promise<Credentials> {
  const answer = await parseJsonInTurns(bytes, { what: of.what, file: plainUrl(of.url), maxValues: 1_000 })
  const { AccessKeyId, SecretAccessKey, Token, SessionToken, Expiration } = (pick(answer) ?? {}) as Record<
    string,
    unknown
  >
  // Seconds in answers of the token service, a date in the others.
  const time = typeof Expiration === 'number' ? Expiration * 1_000 : Date.parse(String(Expiration))
  try {
    return checked({
      accessKeyId: AccessKeyId,
      secretAccessKey: SecretAccessKey,
      sessionToken: Token ?? SessionToken,
      expiration: Expiration === undefined ? undefined : new Date(time),
    })
  } catch (cause) {
    throw new ModelSealError('CREDENTIALS_UNAVAILABLE', `Cannot use the ${of.what} of ${shown(plainUrl(of.url))}.`, {
      expected: 'an access key, its secret, and a time of expiration',
      found: 'something else',
      hint: HINT,
      cause,
    })
  }
}
