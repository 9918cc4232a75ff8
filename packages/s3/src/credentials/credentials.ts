import { isDate } from '@modelseal/core/any-realm'
import { ModelSealError } from '@modelseal/core/errors'
import { containerCredentials } from './container.ts'
import { instanceCredentials } from './instance.ts'
import { providerChain } from './provider-chain.ts'
import type { Profile } from './shared-files.ts'
import { webIdentityCredentials } from './web-identity.ts'

/** What signs requests (AWS Signature Version 4). */
export interface Credentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string | undefined
  /** After that time, they are asked for again. */
  readonly expiration?: Date | undefined
}

/** Where credentials may be found. */
export interface Surroundings {
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly profile: Profile
  readonly region: string
  /** Loads the provider chain of AWS. Default: from its package, if that is installed. */
  readonly chain?: typeof providerChain | undefined
}

/** So long before they expire, credentials are renewed: a request may take as long to arrive. */
const RENEWED_MS = 5 * 60_000

/**
 * Where to get credentials, asked when the first request is signed.
 *
 * @returns undefined if requests are not to be signed
 * @throws {@link ModelSealError} `INVALID_ARGUMENT`
 */
export function credentialsFrom(given: unknown, surroundings: Surroundings): CredentialProvider | undefined {
  if (given === false) return undefined
  if (given === undefined) return new CredentialProvider((signal) => found(surroundings, signal))
  if (typeof given === 'function')
    return new CredentialProvider(async () => checked(await (given as () => Promise<unknown>)()))
  const fixed = checked(given)
  return new CredentialProvider(() => Promise.resolve(fixed))
}

/** Keeps credentials until they expire. */
export class CredentialProvider {
  readonly #ask: (signal: AbortSignal) => Promise<Credentials | undefined>
  #current: Promise<Credentials | undefined> | undefined
  #expiration = Infinity
  #last: Credentials | undefined

  constructor(ask: (signal: AbortSignal) => Promise<Credentials | undefined>) {
    this.#ask = ask
  }

  /**
   * The credentials to sign with now.
   *
   * @returns undefined if there are none: then requests are not signed, as for public buckets
   * @throws {@link ModelSealError} `CREDENTIALS_UNAVAILABLE`, and what the function of the caller throws
   */
  async get(signal: AbortSignal): Promise<Credentials | undefined> {
    if (Date.now() > this.#expiration - RENEWED_MS) this.forget()
    const asked = (this.#current ??= this.#ask(signal))
    try {
      const credentials = await asked
      this.#last = credentials
      this.#expiration = credentials?.expiration?.getTime() ?? Infinity
      return credentials
    } catch (error) {
      if (this.#current === asked) this.forget()
      throw error
    }
  }

  /** Asks again next time, because the store says that these have expired. Other requests may have led to others meanwhile. */
  forget(used = this.#last): void {
    if (used !== this.#last) return
    this.#current = undefined
    this.#expiration = Infinity
  }
}

/**
 * As the clients of AWS look for them: the environment, an assumed role of a web identity, the shared files, a container, the instance. If the provider
 * chain of AWS is installed, it is asked instead, because it also knows single sign-on, processes and roles.
 */
async function found(surroundings: Surroundings, signal: AbortSignal): Promise<Credentials | undefined> {
  const { environment, profile, chain = providerChain } = surroundings
  const own = fromEnvironment(environment)
  if (own) return own
  const ask = chain(surroundings)
  if (ask) return checkedIfAny(await ask())
  if (environment.AWS_WEB_IDENTITY_TOKEN_FILE) return webIdentityCredentials(surroundings, signal)
  if (profile.needsChain) throw needsChain(profile)
  if (profile.credentials) return profile.credentials
  return (await containerCredentials(environment, signal)) ?? (await instanceCredentials(environment, signal))
}

function checkedIfAny(given: unknown): Credentials | undefined {
  return given === undefined ? undefined : checked(given)
}

function fromEnvironment(environment: Surroundings['environment']): Credentials | undefined {
  const { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_PROFILE } = environment
  // A profile that was named comes first, as in the clients of AWS.
  if (AWS_PROFILE || !AWS_ACCESS_KEY_ID || !AWS_SECRET_ACCESS_KEY) return undefined
  return {
    accessKeyId: AWS_ACCESS_KEY_ID,
    secretAccessKey: AWS_SECRET_ACCESS_KEY,
    sessionToken: AWS_SESSION_TOKEN || undefined,
  }
}

/** @throws {@link ModelSealError} `INVALID_ARGUMENT` */
export function checked(given: unknown): Credentials {
  const { accessKeyId, secretAccessKey, sessionToken, expiration } = (given ?? {}) as Record<string, unknown>
  const isText = (value: unknown): value is string => typeof value === 'string' && /^[\x21-\x7e]+$/.test(value)
  const isTime = expiration === undefined || (isDate(expiration) && !Number.isNaN(expiration.getTime()))
  if (isText(accessKeyId) && isText(secretAccessKey) && isTime && (sessionToken === undefined || isText(sessionToken)))
    return { accessKeyId, secretAccessKey, sessionToken, expiration }
  // The values are not shown, because they are secrets.
  throw new ModelSealError('INVALID_ARGUMENT', 'Invalid credentials of the object store.', {
    expected: 'accessKeyId, secretAccessKey and, if needed, sessionToken (printable ASCII) and expiration (a Date)',
    found: 'something else',
  })
}

function needsChain({ name, needsChain: why }: Profile): ModelSealError {
  return new ModelSealError(
    'CREDENTIALS_UNAVAILABLE',
    `Cannot get the credentials of the profile "${name}": it uses ${why ?? ''}.`,
    {
      expected: '@aws-sdk/credential-provider-node, installed beside @modelseal/s3',
      hint: 'Install @aws-sdk/credential-provider-node, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.',
    },
  )
}
