import { isDate } from '@modelseal/core/any-realm'
import { ModelSealError, shown } from '@modelseal/core/errors'
import { containerCredentials } from './container.ts'
import { CredentialProvider } from './credential-provider.ts'
import { instanceCredentials } from './instance.ts'
import { providerChain } from './provider-chain.ts'
import type { Asking } from './service.ts'
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

/**
 * Where to get credentials, asked when the first request is signed.
 *
 * @returns undefined if requests are not to be signed
 * @throws {@link ModelSealError} `INVALID_ARGUMENT`
 */
export function credentialsFrom(given: unknown, surroundings: Surroundings): CredentialProvider | undefined {
  if (given === false) return undefined
  if (given === undefined)
    return new CredentialProvider(async (signal, detached) =>
      checkedIfAny(await found(surroundings, { signal, detached })),
    )
  if (typeof given === 'function')
    return new CredentialProvider(async () => checked(await (given as () => Promise<unknown>)()))
  const fixed = checked(given)
  return new CredentialProvider(() => Promise.resolve(fixed))
}

/**
 * As the clients of AWS look for them: the environment, an assumed role of a web identity, the shared files, a container, the instance. If the provider
 * chain of AWS is installed, it is asked instead, because it also knows single sign-on, processes and roles.
 */
async function found(surroundings: Surroundings, how: Asking): Promise<unknown> {
  const { environment, profile, chain = providerChain } = surroundings
  const own = fromEnvironment(environment)
  if (own) return own
  if (profile.isMissing) throw unavailable(`there is no profile ${shown(profile.name)}`)
  if (profile.isPartial) throw unavailable(`the profile ${shown(profile.name)} has only one of key and secret`)
  const ask = chain(surroundings)
  if (ask) return ask()
  if (environment.AWS_WEB_IDENTITY_TOKEN_FILE) return webIdentityCredentials(surroundings, how)
  if (profile.needsChain) throw needsChain(profile)
  if (profile.credentials) return profile.credentials
  return (await containerCredentials(environment, how)) ?? (await instanceCredentials(environment, how))
}

function checkedIfAny(given: unknown): Credentials | undefined {
  return given === undefined ? undefined : checked(given)
}

function fromEnvironment(environment: Surroundings['environment']): Credentials | undefined {
  const { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_PROFILE } = environment
  // A profile that was named comes first, as in the clients of AWS.
  if (AWS_PROFILE || (!AWS_ACCESS_KEY_ID && !AWS_SECRET_ACCESS_KEY)) return undefined
  // Requests that are not signed, or are signed with another key, would hide the mistake.
  if (!AWS_ACCESS_KEY_ID || !AWS_SECRET_ACCESS_KEY)
    throw unavailable('only one of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY is set')
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
    hint: 'Check them for spaces and line breaks.',
  })
}

function unavailable(why: string): ModelSealError {
  return new ModelSealError('CREDENTIALS_UNAVAILABLE', `Cannot get credentials for S3: ${why}.`, {
    hint: 'Check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE. For a public bucket, use the option "credentials: false".',
  })
}

function needsChain({ name, needsChain: why }: Profile): ModelSealError {
  return new ModelSealError(
    'CREDENTIALS_UNAVAILABLE',
    `Cannot get the credentials of the profile ${shown(name)}: it uses ${why ?? ''}.`,
    {
      expected: '@aws-sdk/credential-provider-node, installed beside @modelseal/s3',
      hint: 'Install @aws-sdk/credential-provider-node, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.',
    },
  )
}
