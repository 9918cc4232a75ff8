import { ModelSealError, shown } from '@modelseal/core/errors'
import type * as port from '@modelseal/core/source'
import { BundleInBucket } from './publishing/bundle-in-bucket.ts'
import { Bucket } from './s3-bucket.ts'
import { notFound } from './s3-errors.ts'
import { s3Location, s3Url, type S3Location } from './s3-location.ts'
import { FolderModel, ObjectModel, type S3Model } from './s3-models.ts'
import { s3Settings, type S3Options } from './s3-settings.ts'

/**
 * A model in Amazon S3, or in another object store with its API: everything below a prefix, or one object. The objects are listed once, and each is
 * read in the version that was listed (`If-Match`); if one changes meanwhile, the load throws `FILE_CHANGED`. No checksum that the
 * store states counts: every byte is hashed.
 *
 * Credentials are those of the environment (`AWS_ACCESS_KEY_ID` …), of the profile (`AWS_PROFILE`) in the shared files of AWS, of a web identity
 * (`AWS_WEB_IDENTITY_TOKEN_FILE`), of a container, or of the instance. Without any, requests are not signed, as for public
 * buckets. Single sign-on, roles and processes need the optional package `@aws-sdk/credential-provider-node`.
 *
 * Importing `@modelseal/s3` makes `s3:` URLs work wherever modelseal takes the path of a model. Call this function only to set options.
 *
 * @param url `s3://BUCKET/PREFIX`, or `s3://BUCKET/KEY` for a single object
 * @throws {@link ModelSealError} `INVALID_ARGUMENT` for an invalid URL or option. Loads throw `MODEL_NOT_FOUND`, `FILE_CHANGED`,
 * `CREDENTIALS_UNAVAILABLE`, `SOURCE_LISTING`, `SOURCE_FAILED`, `HTTP_RESPONSE` (also if access is denied), `HTTP_UNREACHABLE` and `HTTP_TIMEOUT`
 * @example
 * ```ts
 * import { openVerifiedModel } from '@modelseal/core'
 * import { s3Source } from '@modelseal/s3'
 *
 * const source = s3Source('s3://models/vad', { endpoint: 'https://minio.example:9000' })
 * const model = await openVerifiedModel(source, { policy: 'modelseal.policy.yaml' })
 * ```
 */
export function s3Source(url: string, options: S3Options = {}): port.ModelSource {
  const location = s3Location(url)
  const { region, endpoint, pathStyle, credentials } = options
  const given = { region, endpoint, pathStyle, credentials }
  return {
    place: { url: location.url },
    open: (load) => S3Session.open(location, given, load),
    models: (load) => modelsBelow(location, given, load),
    bundleToWrite: async (load) => BundleInBucket.of(location, await s3Settings(given, process.env), load),
  }
}

/** The prefixes directly below a prefix. Names that begin with a dot are no models, as on disk. */
async function* modelsBelow(location: S3Location, options: S3Options, load: port.SourceLoad): AsyncGenerator<string> {
  const { bucket: name, path } = location
  const bucket = new Bucket(location, await s3Settings(options, process.env), load)
  try {
    for await (const prefix of bucket.prefixes(path))
      if (!prefix.startsWith('.')) yield s3Url(name, path === '' ? prefix : `${path}/${prefix}`)
  } finally {
    await bucket.stop()
  }
}

class S3Session implements port.SourceSession {
  /** The client enforces its own. */
  readonly timeouts: port.SourceTimeouts = { idle: Infinity, total: Infinity }
  readonly #bucket: Bucket
  readonly #location: S3Location
  #found: Promise<S3Model> | undefined

  /** Opening a source must be quick, so nothing is requested yet: listing a large prefix takes minutes. */
  static async open(location: S3Location, options: S3Options, load: port.SourceLoad): Promise<S3Session> {
    return new S3Session(location, new Bucket(location, await s3Settings(options, process.env), load))
  }

  private constructor(location: S3Location, bucket: Bucket) {
    this.#bucket = bucket
    this.#location = location
  }

  async model(): Promise<port.ModelFiles> {
    return (await this.#model()).model()
  }

  async *bundles(names?: readonly port.NamePattern[]): AsyncGenerator<port.BundleGroup> {
    yield* (await this.#model()).bundles(names)
  }

  async *claims(files: port.ModelFiles): AsyncGenerator<port.ClaimsCandidate> {
    yield* (await this.#model()).claims(files)
  }

  async *directories(): AsyncGenerator<port.ModelDirectory> {
    yield* (await this.#model()).directories?.() ?? []
  }

  async unverified(): Promise<port.PlainModel> {
    const model = await this.#model()
    return (await model.unverified?.()) ?? { files: await model.model() }
  }

  /**
   * An object of the same bucket.
   *
   * @throws {@link ModelSealError} `INVALID_ARGUMENT` if it is in another bucket
   */
  bundleAt(signature: string): port.BundleCandidate | undefined {
    if (!/^s3:\/\//i.test(signature)) return undefined
    const { bucket, path } = s3Location(signature)
    if (bucket === this.#bucket.name && path !== '') return this.#bucket.candidate(path)
    throw new ModelSealError('INVALID_ARGUMENT', 'Invalid value for option "signature".', {
      expected: `a path, or an object of the bucket ${shown(this.#bucket.name)}`,
      found: shown(signature),
      hint: 'Fetch the bundle, and give its path.',
    })
  }

  close(): Promise<void> {
    return this.#bucket.stop()
  }

  #model(): Promise<S3Model> {
    return (this.#found ??= modelAt(this.#bucket, this.#location))
  }
}

/** @throws {@link ModelSealError} `MODEL_NOT_FOUND`, and what the bucket throws */
async function modelAt(bucket: Bucket, { path, isFolder, url }: S3Location): Promise<S3Model> {
  const entries = await bucket.list(path)
  if (entries.size > 0) return new FolderModel(bucket, path, entries)
  if (!isFolder && (await bucket.has(path))) return new ObjectModel(bucket, path)
  throw notFound(url, 'the bucket has no such prefix or object')
}
