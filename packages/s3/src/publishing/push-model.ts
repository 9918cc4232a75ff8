import { ModelSealError, shown } from '@modelseal/core/errors'
import {
  forPublisher,
  otherBundlesAmong,
  preparePublication,
  publishableBeside,
  readBack,
  readClaims,
  unsignedAmong,
  withClaims,
  type Publication,
  type PublicationSigner,
  type PublishedAttestation,
  type UnpublishedAttestation,
} from '@modelseal/core/publishing'
import { CLAIMS_NAME } from '@modelseal/core/source'
import { Bucket } from '../s3-bucket.ts'
import type { S3Entry } from '../listing/list-prefix.ts'
import { s3Location, s3Url, type S3Location } from '../s3-location.ts'
import { s3Settings, type S3Options, type S3Settings } from '../s3-settings.ts'
import { s3Source } from '../s3-source.ts'
import { Uploads } from './uploads.ts'

/** What to push, and how. */
export interface S3PushOptions extends S3PushSettings {
  /** Who must have signed it. The files must be what that signature says. */
  readonly signedBy: PublicationSigner
  /** Path of the bundle. Default: `model.sig` in the directory, `FILE.sig` beside a file; by policy, where a load looks. */
  readonly signature?: string | undefined
}

/** How to push a model. */
export interface S3PushSettings {
  /** How to reach the bucket. */
  readonly s3?: S3Options | undefined
  readonly signal?: AbortSignal | undefined
  /** Called with the bytes hashed, sent or read back so far, and in all: from the beginning for each of these steps. */
  readonly onProgress?: ((bytes: number, total: number) => void) | undefined
}

/** A model that the bucket serves as it was signed. */
export interface S3PushedModel {
  readonly url: string
  /** SHA-256 of the signed digests, in lowercase hex. */
  readonly rootDigest: string
  /** Each signer in one line; empty if this process signed. */
  readonly signers: readonly string[]
  /** The files of the model; sizes are in bytes. */
  readonly uploaded: readonly { readonly name: string; readonly size: number }[]
  /** Where each bundle is. */
  readonly bundles: readonly string[]
  /** The path on this machine of each of these bundles. */
  readonly bundleFiles: readonly string[]
  /** The attestations that are served beside it. */
  readonly attestations: readonly Pick<PublishedAttestation, 'type' | 'digest' | 'path'>[]
  /** Attestations of the model on this machine that were not published, with the reason. */
  readonly leftOut: readonly UnpublishedAttestation[]
  /** What was read back: every byte, because an object store states no digest that proves anything. */
  readonly checked: { readonly full: boolean; readonly files: number; readonly read: number; readonly bytes: number }
}

/**
 * Publishes a signed model below a prefix of a bucket, and reads back every byte of what is served. Succeeds only if that is what was signed.
 *
 * The files are uploaded first, and the bundle last. There is no transaction: while a push replaces a model, loads of that prefix are refused. Push new
 * versions under a prefix of their own. Objects below the prefix that are not signed refuse the push.
 *
 * @param model path of the directory or file
 * @param target `s3://BUCKET/PREFIX`
 * @throws {@link ModelSealError} `FILE_UNSIGNED` (there are objects that are not signed), `FILE_CHANGED`, `PUSH_UNPROVEN` (uploaded, but not proven;
 * `cause` says why), `INVALID_ARGUMENT`, what requests throw, and what verifying the model throws
 * @example
 * ```ts
 * import { pushModel } from '@modelseal/s3'
 *
 * await pushModel('models/vad', 's3://models/vad/1.0', { signedBy: { verifier: { publicKey: 'release.pub' } } })
 * ```
 */
export async function pushModel(model: string, target: string, options: S3PushOptions): Promise<S3PushedModel> {
  const location = s3Location(target)
  const settings = await s3Settings(options.s3 ?? {}, process.env)
  const { signedBy, signature, signal, onProgress } = options
  const prepared = { signedBy, signature, signal, onProgress }
  const publication = await preparePublication(model, prepared).catch(forPublisher)
  const push = new S3Push(location, settings, options)
  try {
    return await push.pushed(publishableBeside(publication))
  } finally {
    await push.stop()
  }
}

/**
 * Checks what can be checked without a request and without the model, for a caller that signs it first.
 *
 * @throws {@link ModelSealError} `INVALID_ARGUMENT`
 */
export async function checkPushTarget(target: string, options: S3PushSettings = {}): Promise<void> {
  s3Location(target)
  await s3Settings(options.s3 ?? {}, process.env)
}

class S3Push {
  readonly #location: S3Location
  readonly #options: S3PushSettings
  readonly #bucket: Bucket
  readonly #settings: S3Settings
  #uploads: Uploads | undefined

  constructor(location: S3Location, settings: S3Settings, options: S3PushSettings) {
    const { signal } = options
    this.#location = location
    this.#options = options
    this.#settings = settings
    this.#bucket = new Bucket(location, settings, { signal })
  }

  async pushed(publication: Publication): Promise<S3PushedModel> {
    const { url } = this.#location
    const listed = await this.#bucket.list(this.#location.path)
    checkOthers(url, publication, listed)
    const claims = withClaims(await this.#claims(publication, listed), publication.attestations)
    const { signal, onProgress, s3 } = this.#options
    // The store has said by now in which region the bucket is.
    const settings = { ...this.#settings, region: this.#bucket.region }
    const uploads = (this.#uploads = new Uploads(this.#location.bucket, settings, { signal, onProgress }))
    await uploads.files(publication.files.map((file) => ({ ...file, key: this.#keyOf(file.name) })))
    if (claims) await uploads.bytes(this.#keyOf(CLAIMS_NAME), claims)
    // Without the bundle nobody loads it, so it comes last.
    for (const { name, bytes } of publication.bundles) await uploads.bytes(this.#keyOf(name), bytes)
    const served = await readBack({ place: url, revision: undefined, source: s3Source(`${url}/`, s3) }, publication, {
      verify: 'full',
      signal,
      onProgress,
    })
    const { manifest, signers, bundles, attestations, leftOut, files } = publication
    return {
      url,
      rootDigest: manifest.rootDigest,
      signers,
      uploaded: files.map(({ name, size }) => ({ name, size })),
      bundles: bundles.map(({ name }) => s3Url(this.#location.bucket, this.#keyOf(name))),
      bundleFiles: bundles.map(({ path }) => path),
      attestations: attestations.map(({ type, digest, path }) => ({ type, digest, path })),
      leftOut,
      checked: { full: true, files: served.files.listed, read: served.files.read, bytes: served.bytes },
    }
  }

  async stop(): Promise<void> {
    await Promise.all([this.#bucket.stop(), this.#uploads?.stop()])
  }

  /** The file of attestations that is there, which is kept. */
  async #claims({ attestations }: Publication, listed: ReadonlyMap<string, S3Entry>): Promise<Buffer | undefined> {
    const entry = listed.get(CLAIMS_NAME)
    if (attestations.length === 0 || !entry) return undefined
    const { signal = new AbortController().signal } = this.#options
    const key = this.#keyOf(CLAIMS_NAME)
    return readClaims(s3Url(this.#location.bucket, key), (receive) =>
      this.#bucket.read({ key, what: 'file of attestations', entry, signal }, receive),
    )
  }

  #keyOf(name: string): string {
    const { path } = this.#location
    return path === '' ? name : `${path}/${name}`
  }
}

/** A load would refuse the model because of them, or read other bundles. */
function checkOthers(url: string, publication: Publication, listed: ReadonlyMap<string, S3Entry>): void {
  const entries = [...listed.values()]
  const { hiding, beside } = otherBundlesAmong(publication, entries)
  const others = [...new Set([...unsignedAmong(publication, entries), ...hiding, ...beside])]
  if (others.length === 0) return
  throw new ModelSealError('FILE_UNSIGNED', `Cannot push to ${shown(url)}: it has objects that are not signed.`, {
    file: others[0],
    found: others.slice(0, 10).map(shown).join(', '),
    problems: others.map((file) => ({ code: 'FILE_UNSIGNED', file })),
    hint: 'Push to a prefix of its own, or remove these objects.',
  })
}
