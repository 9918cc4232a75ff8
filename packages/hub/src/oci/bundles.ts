import { ModelSealError, shown } from '@modelseal/core/errors'
import {
  CLAIMS_NAME,
  type BundleCandidate,
  type BundleGroup,
  type ClaimsCandidate,
  type NamePattern,
} from '@modelseal/core/source'
import { BUNDLE_TYPE, isUsualBundle, USUAL_NAME, type Artifact } from './artifact.ts'
import { descriptorFrom, field, type Descriptor } from './descriptor.ts'
import type { Digest } from './digest.ts'
import { ociUrl, type OciReference } from './reference.ts'
import { IMAGE_MANIFEST, tooManyReferrers, type FetchedManifest, type Repository } from './repository.ts'

/** The most attached manifests that are opened. There is room for an attestation every night for two years, besides signatures and SBOMs. */
export const MAX_ATTACHED = 900
const OPENED_AT_A_TIME = 6
/** Attached bundles of at most this size are kept during a load, because a search for attestations reads them again. */
const MAX_KEPT_BYTES = 64 * 1024
/** How much of archives is read before the policy has judged the model. Publishers can pack the bundle first. */
const ARCHIVE_BYTES = 64 * 1024 * 1024

/** Where the bundles and attestations of an artifact may be. */
export class Bundles {
  readonly #repository: Repository
  readonly #reference: OciReference
  readonly #artifact: Artifact
  /** Listed and opened once. */
  #attachedOnce: Promise<BundleCandidate[]> | undefined
  readonly #kept = new Map<Digest, Buffer>()

  constructor(repository: Repository, reference: OciReference, artifact: Artifact) {
    this.#repository = repository
    this.#reference = reference
    this.#artifact = artifact
  }

  /**
   * The layer `model.sig` and layers named `*.sig` that are said to be Sigstore bundles, else the bundles that are
   * attached to the manifest, else `model.sig` at the beginning of an archive. Layers come first because they cost no
   * further request, and archives last because they cost the most.
   *
   * @param names patterns of layers, and of files at the beginning of an archive. Default: the usual places
   * @param digest of the artifact's manifest
   */
  async *find(names: readonly NamePattern[] | undefined, digest: Digest): AsyncGenerator<BundleGroup> {
    const isNamed = (name: string) => names?.some((pattern) => pattern.matches(name)) === true
    const layers = [...this.#artifact.files].filter(([name, layer]) =>
      names ? isNamed(name) : isUsualBundle(name, layer),
    )
    const url = ociUrl(this.#reference)
    const looked = names ? undefined : [`${url}/${USUAL_NAME}`]
    if (layers.length > 0 || looked)
      yield { candidates: layers.map(([name, layer]) => this.#candidate(`${url}/${name}`, layer)), looked }
    if (!names) yield { candidates: await this.#attached(digest), looked: [`what is attached to ${digest}`] }
    if (this.#artifact.archives.length === 0) return
    if (names) yield { candidates: await this.#archivedAmong(isNamed) }
    else
      yield {
        candidates: [this.#archived(USUAL_NAME)],
        looked: [`${USUAL_NAME} within the first ${ARCHIVE_BYTES / 1024 / 1024} MiB of its archives`],
      }
  }

  /**
   * The layer `claims.jsonl`, or the file at the beginning of a directory that is the model, and what is attached to the
   * manifest. Only the statement of an attached bundle says whether it is an attestation.
   *
   * @param digest of the artifact's manifest
   */
  async *claims(digest: Digest): AsyncGenerator<ClaimsCandidate> {
    const layer = this.#artifact.files.get(CLAIMS_NAME)
    const path = `${ociUrl(this.#reference)}/${CLAIMS_NAME}`
    const isInside = this.#artifact.archives.some(({ root }) => root !== undefined)
    if (layer) yield { ...this.#candidate(path, layer), lines: true, name: CLAIMS_NAME }
    else if (isInside) yield { ...this.#archived(CLAIMS_NAME), lines: true, name: CLAIMS_NAME }
    yield* await this.#attached(digest)
  }

  /** The bundle in an attached manifest, which is named by its digest. */
  attached(version: string, path: string): BundleCandidate {
    return {
      path,
      read: async (request, receive) => {
        const what = `signature bundle ${path}`
        const manifest = await this.#repository.manifest(version, what, request.signal)
        const layer = manifest && bundleIn(manifest, what)
        if (layer) await this.#candidate(path, layer).read(request, receive)
      },
    }
  }

  /** @param name at the root of the model */
  #archived(name: string): BundleCandidate {
    return {
      path: `${ociUrl(this.#reference)}/${name}`,
      read: async ({ signal }, receive) => {
        const { readArchivedBundle } = await import('./archives/archived-bundle.ts')
        const wanted = { name, room: ARCHIVE_BYTES, signal }
        await readArchivedBundle(this.#repository, this.#artifact.archives, wanted, receive)
      },
    }
  }

  /** An archive has no list, so what has such a name is kept while the archives are read. */
  async #archivedAmong(isNamed: (name: string) => boolean): Promise<BundleCandidate[]> {
    const { archivedBundles } = await import('./archives/archived-bundle.ts')
    const found = await archivedBundles(this.#repository, this.#artifact.archives, { isNamed, room: ARCHIVE_BYTES })
    return [...found].map(([name, bytes]) => ({
      path: `${ociUrl(this.#reference)}/${name}`,
      read: (_, receive) => Promise.resolve(receive({ size: bytes.length, chunks: [bytes] })),
    }))
  }

  #candidate(path: string, layer: Descriptor): BundleCandidate {
    return {
      path,
      read: async ({ signal }, receive) => {
        await this.#repository.blob(layer, { what: `signature bundle ${path}`, signal }, receive)
      },
    }
  }

  #attached(digest: Digest): Promise<BundleCandidate[]> {
    return (this.#attachedOnce ??= this.#findAttached(digest))
  }

  /**
   * What a descriptor says of an attached manifest is not trusted: registries repeat the wrong type, and only the manifest
   * itself says what it is attached to.
   */
  async #findAttached(digest: Digest): Promise<BundleCandidate[]> {
    const referrers = new Set((await this.#repository.referrers(digest)).map((each) => each.digest))
    if (referrers.size > MAX_ATTACHED) throw tooManyReferrers(ociUrl(this.#reference), MAX_ATTACHED)
    const waiting = [...referrers]
    const found = new Map<Digest, Descriptor>()
    const lane = async () => {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
        const layer = await this.#opened(next, digest)
        if (layer) found.set(next, layer)
      }
    }
    await Promise.all(Array.from({ length: OPENED_AT_A_TIME }, lane))
    // In the order of the list, which is the same for every load.
    return [...referrers].flatMap((each) => {
      const layer = found.get(each)
      return layer ? [this.#mixed(ociUrl({ ...this.#reference, version: { digest: each } }), layer)] : []
    })
  }

  /** A signature of the model, or an attestation. */
  #mixed(path: string, layer: Descriptor): BundleCandidate {
    const candidate = this.#candidate(path, layer)
    const read: BundleCandidate['read'] = async (request, receive) => {
      const kept = this.#kept.get(layer.digest)
      if (kept) return receive({ size: kept.length, chunks: [kept] })
      if (layer.size > MAX_KEPT_BYTES) return candidate.read(request, receive)
      const pieces: Uint8Array[] = []
      await candidate.read(request, ({ size, chunks }) => receive({ size, chunks: noted(chunks, pieces) }))
      const bytes = Buffer.concat(pieces)
      // The digest was compared at the end of the content.
      if (bytes.length === layer.size) this.#kept.set(layer.digest, bytes)
    }
    return {
      path,
      mixed: true,
      read: (request, receive) => read(request, receive).catch((error: unknown) => throwAboutBundle(error, path)),
    }
  }

  async #opened(referrer: Digest, subject: Digest): Promise<Descriptor | undefined> {
    const what = `manifest ${referrer} that is attached to the model`
    const manifest = await this.#repository.manifest(referrer, what).catch(unlessJson)
    // Undefined if it was deleted since it was listed.
    if (!manifest || field(field(manifest.content, 'subject'), 'digest') !== subject) return undefined
    try {
      return bundleIn(manifest, what)
    } catch (error) {
      if (error instanceof ModelSealError && error.code === 'SOURCE_FAILED') return undefined
      throw error
    }
  }
}

/**
 * Anyone who may push can attach a manifest that states another size than that of its layer, which registries do not compare. It should
 * not stop a load.
 */
function throwAboutBundle(error: unknown, path: string): never {
  if (!(error instanceof ModelSealError) || error.code !== 'SOURCE_FAILED') throw error
  const { expected, found, hint } = error
  throw new ModelSealError(
    'BUNDLE_MALFORMED',
    `Cannot read the bundle ${shown(path)}: it is not what the manifest states that is attached to the model.`,
    { file: path, expected, found, hint, cause: error },
  )
}

/** Passes pieces on, and keeps them. */
async function* noted(
  chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  pieces: Uint8Array[],
): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) {
    pieces.push(chunk)
    yield chunk
  }
}

/** What is not JSON has no bundle. Anyone who may push can attach it, and it should not stop a load. */
function unlessJson(error: unknown): undefined {
  if (error instanceof ModelSealError && error.code.startsWith('JSON_')) return undefined
  throw error
}

/** The first layer of a manifest, if the manifest or the layer is said to be a Sigstore bundle. The core judges its bytes. */
function bundleIn({ mediaType, content }: FetchedManifest, what: string): Descriptor | undefined {
  const layers = field(content, 'layers')
  if (mediaType !== IMAGE_MANIFEST || !Array.isArray(layers)) return undefined
  const [first] = layers as unknown[]
  if (first === undefined) return undefined
  const types = [
    field(content, 'artifactType'),
    field(field(content, 'config'), 'mediaType'),
    field(first, 'mediaType'),
  ]
  return types.some((type) => typeof type === 'string' && BUNDLE_TYPE.test(type))
    ? descriptorFrom(first, what)
    : undefined
}
