import { isIP } from 'node:net'
import { ModelSealError, shown } from '@modelseal/core/errors'
import type { CredentialProvider } from './credentials/credential-provider.ts'
import { credentialsFrom, type Credentials } from './credentials/credentials.ts'
import { profileOf, type Profile } from './credentials/shared-files.ts'

/** What a program sets instead of environment variables and the shared configuration of AWS. */
export interface S3Options {
  /** Default: `AWS_REGION`, `AWS_DEFAULT_REGION`, that of the profile, `us-east-1`. A store that says another one is believed. */
  readonly region?: string | undefined
  /**
   * Address of another store with the API of S3, such as `https://minio.example:9000`. Default: `AWS_ENDPOINT_URL_S3`, `AWS_ENDPOINT_URL`, that of the
   * profile, Amazon S3.
   */
  readonly endpoint?: string | undefined
  /**
   * True to request `ENDPOINT/BUCKET/KEY`, false for `BUCKET.ENDPOINT/KEY`. Default: true with an endpoint of your own, and for buckets with a
   * dot in their name, which no certificate of Amazon S3 covers.
   */
  readonly pathStyle?: boolean | undefined
  /**
   * Credentials, or a function that returns them, which is called again once they have expired. `false`: requests are not signed, as for
   * public buckets. Default: see {@link s3Source}.
   */
  readonly credentials?: Credentials | (() => Promise<Credentials>) | false | undefined
}

/** How to reach a bucket. */
export interface S3Settings {
  readonly region: string
  /** Undefined for Amazon S3, whose address depends on the region. */
  readonly endpoint: URL | undefined
  readonly pathStyle: boolean | undefined
  /** Undefined for requests that are not signed. */
  readonly credentials: CredentialProvider | undefined
}

type Environment = Readonly<Record<string, string | undefined>>

const REGION = /^[a-z0-9][a-z0-9-]{0,62}$/

/**
 * Reads the settings, for one load. Nothing is requested yet.
 *
 * @throws {@link ModelSealError} `INVALID_ARGUMENT`; `FILE_UNREADABLE`, `FILE_TOO_LARGE`, `FILE_SPECIAL` for the shared files of AWS
 */
export async function s3Settings(options: S3Options, environment: Environment): Promise<S3Settings> {
  const profile = await profileOf(environment)
  const { pathStyle } = options
  if (pathStyle !== undefined && typeof (pathStyle as unknown) !== 'boolean')
    throw unusable('pathStyle', 'true or false', typeof pathStyle)
  const region = regionOf(options, environment, profile)
  const endpoint = endpointOf(options, environment, profile)
  // A bucket cannot stand before an address: requests would go to the address alone, and name another bucket.
  if (pathStyle === false && endpoint && isAddress(endpoint))
    throw unusable('pathStyle', 'true, or an endpoint with a host name', shown(endpoint.origin))
  return {
    region,
    endpoint,
    pathStyle,
    credentials: credentialsFrom(options.credentials, { environment, profile, region }),
  }
}

function regionOf(options: S3Options, environment: Environment, profile: Profile): string {
  const given: unknown =
    options.region ?? (environment.AWS_REGION || environment.AWS_DEFAULT_REGION || profile.values.region || 'us-east-1')
  if (typeof given === 'string' && REGION.test(given)) return given
  throw unusable('region', 'the name of a region, such as eu-central-1', shownText(given))
}

function endpointOf(options: S3Options, environment: Environment, profile: Profile): URL | undefined {
  const ignored = /^true$/i.test(environment.AWS_IGNORE_CONFIGURED_ENDPOINT_URLS ?? '')
  const configured = ignored
    ? undefined
    : environment.AWS_ENDPOINT_URL_S3 || environment.AWS_ENDPOINT_URL || profile.values.endpoint_url
  const given: unknown = options.endpoint ?? (configured || undefined)
  if (given === undefined) return undefined
  const url = typeof given === 'string' ? URL.parse(given) : null
  const isPlain = url?.username === '' && url.password === '' && url.search === '' && url.hash === ''
  if (url && isPlain && /^https?:$/.test(url.protocol)) return url
  throw unusable('endpoint', 'an http or https URL without credentials and query', url ? withoutSecret(url) : undefined)
}

/** It may contain a password. Without "http://", the host is read as a scheme, and there is no origin. */
function withoutSecret({ origin, protocol }: URL): string {
  return origin === 'null' ? `the scheme ${shown(protocol)}` : shown(origin)
}

function isAddress({ hostname }: URL): boolean {
  return isIP(hostname.replace(/^\[(.*)\]$/, '$1')) !== 0
}

function shownText(given: unknown): string {
  return typeof given === 'string' ? shown(given) : typeof given
}

function unusable(name: string, expected: string, found = 'something else'): ModelSealError {
  return new ModelSealError('INVALID_ARGUMENT', `Invalid value for option ${shown(name)} of the object store.`, {
    expected,
    found,
    hint: 'Check the options, the environment variables AWS_…, and the shared configuration of AWS.',
  })
}
