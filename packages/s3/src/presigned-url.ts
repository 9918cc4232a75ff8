import { AwsV4Signer } from 'aws4fetch'
import { ModelSealError, shown } from '@modelseal/core/errors'
import { S3Client } from './s3-client.ts'
import { s3Location } from './s3-location.ts'
import { s3Settings, type S3Options } from './s3-settings.ts'

/** One week, the limit of the API. */
const MAX_SECONDS = 604_800

/** How to sign an address. */
export interface PresignOptions extends S3Options {
  /** For how many seconds it is valid: at most one week. Default: 900. */
  readonly expiresIn?: number | undefined
}

/**
 * An address at which an object can be read without credentials, for a limited time. A service with credentials can hand out such addresses to one without,
 * which loads them with the option `http.urlFor`.
 *
 * @param url `s3://BUCKET/KEY`
 * @throws {@link ModelSealError} `INVALID_ARGUMENT`, `CREDENTIALS_UNAVAILABLE`
 * @example
 * ```ts
 * import { presignedUrl } from '@modelseal/s3'
 *
 * const address = await presignedUrl('s3://models/vad/1.0/weights.bin', { expiresIn: 300 })
 * ```
 */
export async function presignedUrl(url: string, options: PresignOptions = {}): Promise<string> {
  const { expiresIn = 900, ...given } = options
  if (!Number.isSafeInteger(expiresIn) || expiresIn < 1 || expiresIn > MAX_SECONDS)
    throw new ModelSealError('INVALID_ARGUMENT', 'Invalid value for option "expiresIn".', {
      expected: `whole seconds, at most ${MAX_SECONDS}`,
      found: shown(String(expiresIn)),
    })
  const { bucket, path } = s3Location(url)
  const settings = await s3Settings(given, process.env)
  const { signal } = new AbortController()
  const credentials = await settings.credentials?.get(signal)
  if (!credentials)
    throw new ModelSealError('CREDENTIALS_UNAVAILABLE', 'Cannot sign an address: no credentials were found.', {
      hint: 'Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE.',
    })
  const { accessKeyId, secretAccessKey, sessionToken } = credentials
  const target = new S3Client(bucket, settings, { signal: undefined }).urlOf({
    key: path,
    query: { 'X-Amz-Expires': String(expiresIn) },
  })
  const signer = new AwsV4Signer({
    url: target.href,
    accessKeyId,
    secretAccessKey,
    ...(sessionToken === undefined ? {} : { sessionToken }),
    service: 's3',
    region: settings.region,
    signQuery: true,
  })
  return (await signer.sign()).url.href
}
