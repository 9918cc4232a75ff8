import { ModelSealError, shown } from '@modelseal/core/errors'
import type * as port from '@modelseal/core/source'
import type { ArchiveReader } from './archives/archive-reader.ts'
import type { CachedFiles } from '../cache/cached-files.ts'
import { artifactFrom, type Artifact } from './artifact.ts'
import { Bundles } from './bundles.ts'
import type { Descriptor } from './descriptor.ts'
import { sha256Of, type Digest } from './digest.ts'
import { cachedLayer, layerCache } from './layer-cache.ts'
import { ociPackageUrl, ociUrl, parseOciReference, repositoryUrl, type OciReference } from './reference.ts'
import { Repository } from './repository.ts'

/**
 * A model in an OCI registry: a ModelPack artifact, or an artifact whose layers have titles, as `oras push` makes it.
 * A tag is resolved once, to the digest of a manifest; everything is read by digest. Bundles are the layer `model.sig`,
 * or what is attached to the manifest. Credentials are those of `docker login`, and are looked for only if the registry
 * demands them. If `ORAS_CACHE` names a directory, layers that are files are kept there. Importing `@modelseal/hub` makes
 * `oci://` URLs work wherever a path does, so few programs call this.
 *
 * @param url `oci://HOST[:PORT]/REPOSITORY[:TAG|@DIGEST]`. The default tag is `latest`. Registries on the loopback
 * interface are spoken to with HTTP, all others with HTTPS
 * @throws {@link ModelSealError} `INVALID_ARGUMENT` for an invalid URL. A load throws `MODEL_NOT_FOUND` (also for an index of
 * several artifacts), `SOURCE_FAILED`, `SOURCE_LISTING`, `HTTP_UNREACHABLE`, `HTTP_TIMEOUT`, `HTTP_RESPONSE` (also if access
 * is denied) and `HTTP_REDIRECT`
 * @example
 * ```ts
 * import { openVerifiedModel } from '@modelseal/core'
 * import { ociSource } from '@modelseal/hub'
 *
 * const model = await openVerifiedModel(ociSource('oci://registry.example/models/vad:1.0'), { policy: 'trust-policy.yaml' })
 * console.log(model.verdict.model.revision) // sha256:…
 * ```
 */
export function ociSource(url: string, options: OciOptions = {}): port.ModelSource {
  const reference = parseOciReference(url)
  const { cache } = options
  return { place: { url: repositoryUrl(reference) }, open: (load) => OciSession.open(reference, load, { cache }) }
}

/** What a program sets instead of environment variables. */
export interface OciOptions {
  /** `false`: the cache (`ORAS_CACHE`) is neither read nor written. */
  readonly cache?: false | undefined
}

/** The client has timeouts of its own, and files of one archive wait for each other. */
const UNTIMED: port.SourceTimeouts = { idle: Infinity, total: Infinity }

/** A model that was found in a registry. */
interface FoundArtifact {
  readonly reference: OciReference
  readonly repository: Repository
  /** Of its manifest. */
  readonly digest: Digest
  readonly artifact: Artifact
  /** One for each of its archives. */
  readonly readers: readonly ArchiveReader[]
  readonly cached: CachedFiles | undefined
}

class OciSession implements port.SourceSession {
  readonly timeouts = UNTIMED
  readonly revision: Digest
  readonly requested: string | undefined
  readonly packageUrl: string
  readonly #found: FoundArtifact
  readonly #bundles: Bundles

  static async open(reference: OciReference, load: port.SourceLoad, { cache }: OciOptions): Promise<OciSession> {
    const { signal, maxBytes } = load
    const repository = new Repository(reference, load)
    try {
      const { version } = reference
      const what = `manifest of the model ${shown(ociUrl(reference))}`
      const manifest = await repository.manifest(version.digest ?? version.tag, what)
      if (!manifest) throw notFound(reference)
      const artifact = artifactFrom(manifest, reference)
      const readers = await readersOf(repository, artifact, maxBytes)
      const cached = cache === false ? undefined : layerCache(process.env.ORAS_CACHE, signal)
      return new OciSession({ reference, repository, digest: manifest.digest, artifact, readers, cached })
    } catch (error) {
      await repository.stop()
      throw error
    }
  }

  private constructor(found: FoundArtifact) {
    const { reference, repository, digest, artifact } = found
    this.revision = digest
    this.requested = reference.version.digest === undefined ? reference.version.tag : undefined
    this.packageUrl = ociPackageUrl(reference, digest)
    this.#found = found
    this.#bundles = new Bundles(repository, reference, artifact)
  }

  model(): port.ModelFiles {
    const { reference, readers } = this.#found
    return {
      path: ociUrl(reference),
      name: reference.repository.slice(reference.repository.lastIndexOf('/') + 1),
      isFile: false,
      read: (request, receive) => this.#read(request, receive),
      // What is in an archive is known only once all of it has been read.
      list: readers.length === 0 ? () => this.#list() : undefined,
    }
  }

  bundles(names?: readonly port.NamePattern[]): AsyncIterable<port.BundleGroup> {
    return this.#bundles.find(names, this.revision)
  }

  claims(): AsyncIterable<port.ClaimsCandidate> {
    return this.#bundles.claims(this.revision)
  }

  /**
   * An attached bundle, by the digest of its manifest.
   *
   * @throws {@link ModelSealError} `INVALID_ARGUMENT` if it is in another repository
   */
  bundleAt(signature: string): port.BundleCandidate | undefined {
    if (!/^oci:\/\//i.test(signature)) return undefined
    const { host, repository, version } = parseOciReference(signature)
    const own = this.#found.reference
    if (host === own.host && repository === own.repository)
      return this.#bundles.attached(version.digest ?? version.tag, ociUrl({ ...own, version }))
    throw new ModelSealError('INVALID_ARGUMENT', 'Invalid value for option "signature".', {
      expected: `a path, or a bundle in the repository ${shown(repositoryUrl(own))}`,
      found: shown(repositoryUrl({ host, repository })),
      hint: 'Fetch the bundle, and give its path.',
    })
  }

  async close(): Promise<void> {
    const { readers, repository, cached } = this.#found
    for (const reader of readers) reader.stop()
    await repository.stop()
    await cached?.settled()
  }

  *#list(): Generator<port.SourceEntry> {
    for (const [name, { digest, size }] of this.#found.artifact.files) yield { name, size, sha256: sha256Of(digest) }
  }

  async #read(request: port.ReadRequest, receive: port.Receive): Promise<void> {
    const { name } = request
    const { artifact, cached } = this.#found
    const layer = artifact.files.get(name)
    if (layer) {
      const file = cachedLayer(name, layer)
      if (!cached || !file) return this.#fetch(layer, request, receive)
      return cached.read(file, request, (range, take) => this.#fetch(layer, { ...request, range }, take), receive)
    }
    for (const archive of this.#likeliest(name)) if (await archive.read(request, receive)) return
  }

  async #fetch(
    layer: Descriptor,
    { name, range, signal, signed }: port.ReadRequest,
    receive: port.Receive,
  ): Promise<void> {
    const what = `file ${shown(name)}`
    const asked = { what, range, signal, isChecked: signed !== undefined, reuses: true }
    if (await this.#found.repository.blob(layer, asked, receive)) return
    throw new ModelSealError('SOURCE_FAILED', `Cannot read the ${what}: the registry does not have its content.`, {
      file: name,
      expected: layer.digest,
      hint: 'Ask the publisher of the model to push it again.',
    })
  }

  /** Archives that say that they contain the file come first, so that the others need not be read. */
  #likeliest(name: string): readonly ArchiveReader[] {
    const { readers } = this.#found
    const isLikely = ({ path }: ArchiveReader) => path !== undefined && (name === path || name.startsWith(`${path}/`))
    return [...readers.filter(isLikely), ...readers.filter((reader) => !isLikely(reader))]
  }
}

/** Most models have no archives, and then nothing that reads them is loaded. */
async function readersOf(
  repository: Repository,
  { archives }: Artifact,
  maxBytes: number | undefined,
): Promise<ArchiveReader[]> {
  if (archives.length === 0) return []
  const { ArchiveReader: Reader } = await import('./archives/archive-reader.ts')
  const { ArchiveLimit } = await import('./archives/archive-limit.ts')
  const limit = new ArchiveLimit(maxBytes)
  return archives.map((archive) => new Reader(repository, archive, limit))
}

function notFound(reference: OciReference): ModelSealError {
  const url = ociUrl(reference)
  return new ModelSealError('MODEL_NOT_FOUND', `There is no model at ${shown(url)}.`, {
    file: url,
    hint: `Check the repository and the tag. Some registries answer like this for private models: log in with "docker login ${reference.host}".`,
  })
}
