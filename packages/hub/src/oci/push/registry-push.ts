import { ModelSealError, shown } from '@modelseal/core/errors'
import {
  digestOfFile,
  HashedFile,
  type Publication,
  type PublishedFile,
  pushConflict,
  pushRefused,
  pushUnproven,
  readBack,
  signStatement,
} from '@modelseal/core/publishing'
import type { PushedModel, PushSettings, UploadedFile } from '../../publishing/push-options.ts'
import { sha256Of, type Digest } from '../digest.ts'
import { MAX_ATTACHED } from '../bundles.ts'
import { ociSource } from '../oci-source.ts'
import { ociUrl, type OciReference } from '../reference.ts'
import { Repository } from '../repository.ts'
import {
  attachmentOf,
  configOf,
  EMPTY,
  layerOf,
  manifestOf,
  type AttachedBundle,
  type WrittenContent,
  type WrittenDescriptor,
} from './model-pack.ts'
import { listByTag, type OpenedRepository } from './referrers-tag.ts'
import { once, RegistryWriter } from './registry-writer.ts'

/** Blobs that are sent at a time. */
const LANES = 4
const OMS_TYPE = 'https://model_signing/signature/v1.0'
/** With a key, cosign 3.1 verifies with this hash alone, whatever the curve. */
const COSIGN_HASH = 'sha256'
/** What cosign signs since version 3. */
const COSIGN_TYPE = 'https://sigstore.dev/cosign/sign/v1'

type TaggedReference = OciReference & { readonly version: { readonly tag: string } }

/** One push to a repository of a registry. */
export class RegistryPush {
  readonly #reference: TaggedReference
  readonly #options: PushSettings
  readonly #repository: OpenedRepository

  /** @throws {@link ModelSealError} `INVALID_ARGUMENT` */
  static to(reference: OciReference, options: PushSettings): RegistryPush {
    const { version } = reference
    if (version.digest !== undefined) throw unusable('a tag, because what is pushed has its own digest', 'a digest')
    const [name] = Object.entries(options.huggingFace ?? {}).find(([, value]) => value !== undefined) ?? []
    if (name !== undefined) throw unusable('options of registries', shown(`huggingFace.${name}`))
    const { hash = COSIGN_HASH } = options.cosignSigner ?? {}
    if (hash !== COSIGN_HASH)
      throw unusable(
        'a key on P-256 for cosign, because "cosign verify --key" accepts other signatures only with further options',
        `a key whose signatures use ${hash.toUpperCase()}`,
      )
    return new RegistryPush({ ...reference, version }, options)
  }

  private constructor(reference: TaggedReference, options: PushSettings) {
    const { signal } = options
    this.#reference = reference
    this.#options = options
    this.#repository = {
      reference,
      reads: new Repository(reference, { signal }),
      writes: new RegistryWriter(reference, signal),
    }
  }

  async push(publication: Publication): Promise<PushedModel> {
    const { reads, writes } = this.#repository
    try {
      return await this.#pushed(publication)
    } finally {
      await Promise.all([reads.stop(), writes.stop()])
    }
  }

  async #pushed(publication: Publication): Promise<PushedModel> {
    const { verify } = this.#options
    const before = await this.#tagged()
    const { layers, uploaded } = await this.#layers(publication.files)
    const { manifest, attached } = await this.#artifact(publication, layers)
    const { digest } = manifest.descriptor
    const place = ociUrl({ ...this.#reference, version: { digest } })
    await this.#checkBlobs(place, publication.files, layers)
    const served = await readBack(
      { place, revision: digest, source: ociSource(place, { cache: false }) },
      publication,
      this.#options,
    )
    // Nobody finds the model by its tag before it is proven.
    await this.#tag(manifest, before)
    return {
      url: place,
      revision: digest,
      requested: this.#reference.version.tag,
      rootDigest: publication.manifest.rootDigest,
      signers: publication.signers,
      uploaded,
      bundles: attached.map((each) =>
        ociUrl({ ...this.#reference, version: { digest: each.manifest.descriptor.digest } }),
      ),
      bundleFiles: publication.bundles.map(({ path }) => path),
      attestations: publication.attestations.map(({ type, digest, path }) => ({ type, digest, path })),
      leftOut: publication.leftOut,
      checked: { full: verify === 'full', files: served.files.listed, read: served.files.read, bytes: served.bytes },
      deleted: [],
    }
  }

  /** The files as layers, in the order of the manifest. */
  async #layers(files: readonly PublishedFile[]): Promise<{ layers: WrittenDescriptor[]; uploaded: UploadedFile[] }> {
    const { signal, onProgress } = this.#options
    const total = files.reduce((sum, { size }) => sum + size, 0)
    let done = 0
    const sent = (bytes: number) => onProgress?.(Math.min((done += bytes), total), total)
    const layers: WrittenDescriptor[] = []
    const uploaded: UploadedFile[] = []
    let next = 0
    const lane = async () => {
      for (let place = next++; place < files.length; place = next++) {
        const file = files[place] as PublishedFile
        const { name, size } = file
        try {
          const sha256 = file.sha256 ?? (await digestOfFile(file, signal))
          const digest = digestFrom(sha256)
          const content = new HashedFile(file, sha256, sent)
          const isSent = await this.#repository.writes.blob({ digest, size }, `file ${shown(name)}`, content)
          if (!isSent) sent(size)
          layers[place] = layerOf(name, digest, size)
          uploaded[place] = { name, size, isSent }
        } catch (error) {
          next = Infinity
          throw error
        }
      }
    }
    await Promise.all(Array.from({ length: LANES }, lane))
    return { layers, uploaded }
  }

  /** The manifest, and what is attached to it. Without the tag, nobody finds it yet. */
  async #artifact(publication: Publication, layers: readonly WrittenDescriptor[]) {
    const { repository } = this.#reference
    const config = configOf(repository.slice(repository.lastIndexOf('/') + 1), layers)
    const manifest = manifestOf(config.descriptor, layers)
    await this.#small(config, 'configuration of the model')
    const { writes } = this.#repository
    await writes.manifest(manifest, manifest.descriptor.digest, 'manifest of the model')
    const { descriptor } = manifest
    const bundles = publication.bundles.map(({ bytes }) => attachmentOf(bytes, OMS_TYPE, descriptor))
    const attestations = publication.attestations.map(({ bytes, type }) => attachmentOf(bytes, type, descriptor))
    const cosign = await this.#cosignSignature(descriptor)
    const all = [...bundles, ...attestations, ...(cosign ? [cosign] : [])]
    if (attestations.length > 0) await this.#checkRoom(descriptor.digest, all)
    await this.#small(EMPTY, 'empty configuration')
    const unlisted: AttachedBundle[] = []
    for (const each of all) {
      await this.#small(each.layer, 'signature bundle')
      const stored = await writes.manifest(each.manifest, each.manifest.descriptor.digest, 'attached signature bundle')
      if (!stored.isListed) unlisted.push(each)
    }
    if (unlisted.length > 0) await listByTag(this.#repository, descriptor.digest, unlisted)
    return { manifest, attached: bundles }
  }

  /** Loads refuse a model with more attached manifests than they open. */
  async #checkRoom(subject: Digest, added: readonly AttachedBundle[]): Promise<void> {
    const there = (await this.#repository.reads.referrers(subject)).map(({ digest }) => digest)
    const { size } = new Set([...there, ...added.map(({ manifest }) => manifest.descriptor.digest)])
    if (size <= MAX_ATTACHED) return
    throw pushRefused(ociUrl(this.#reference), 'too much would be attached to the model', {
      expected: `at most ${MAX_ATTACHED} manifests`,
      found: String(size),
      hint: 'Remove what is not needed from the registry, or from the attestations beside the model.',
    })
  }

  async #small({ descriptor, bytes }: WrittenContent, what: string): Promise<void> {
    const content = { type: 'application/octet-stream', length: bytes.length, chunks: () => once(bytes) }
    await this.#repository.writes.blob(descriptor, what, content)
  }

  async #cosignSignature(subject: WrittenDescriptor): Promise<AttachedBundle | undefined> {
    const { cosignSigner, signal } = this.#options
    if (!cosignSigner) return undefined
    const statement = {
      _type: 'https://in-toto.io/Statement/v1',
      subject: [{ digest: { sha256: sha256Of(subject.digest) } }],
      predicateType: COSIGN_TYPE,
      predicate: {},
    }
    return attachmentOf(await signStatement(statement, cosignSigner, signal), COSIGN_TYPE, subject)
  }

  /** The manifest says what the layers are; this asks whether the registry has them. */
  async #checkBlobs(place: string, files: readonly PublishedFile[], layers: readonly WrittenDescriptor[]) {
    const waiting = layers.map((layer, index) => ({ layer, name: files[index]?.name ?? '' }))
    const lane = async () => {
      for (let next = waiting.shift(); next; next = waiting.shift()) {
        const { layer, name } = next
        if (layer.size === 0 || (await this.#repository.writes.has(layer, `file ${shown(name)}`))) continue
        throw pushUnproven(
          place,
          new ModelSealError('FILE_MISSING', `The registry does not have the file ${shown(name)}.`, {
            file: name,
            expected: `${layer.digest}, ${layer.size} bytes`,
          }),
        )
      }
    }
    await Promise.all(Array.from({ length: LANES }, lane))
  }

  /** What the tag stands for; undefined if there is no such tag. */
  async #tagged(): Promise<Digest | undefined> {
    const { tag } = this.#reference.version
    return (await this.#repository.reads.manifest(tag, `manifest with the tag ${shown(tag)}`))?.digest
  }

  /** Registries have no conditional writes, so the tag is read before and after. */
  async #tag(manifest: WrittenContent, before: Digest | undefined): Promise<void> {
    const { tag } = this.#reference.version
    const { digest } = manifest.descriptor
    const url = ociUrl(this.#reference)
    const now = await this.#tagged()
    if (now !== before && now !== digest) throw pushConflict(url, before ?? 'no such tag', now ?? 'no such tag')
    if (now !== digest) await this.#repository.writes.manifest(manifest, tag, 'tag of the model')
    const after = await this.#tagged()
    if (after !== digest) throw pushConflict(url, digest, after ?? 'no such tag')
  }
}

function digestFrom(sha256: string): Digest {
  return `sha256:${sha256}` as Digest
}

function unusable(expected: string, found: string): ModelSealError {
  return new ModelSealError('INVALID_ARGUMENT', 'Cannot push to the registry with these settings.', { expected, found })
}
