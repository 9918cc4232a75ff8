import { digestOf, type Digest } from '../digest.ts'
import { IMAGE_MANIFEST } from '../repository.ts'

/** A descriptor to write. */
export interface WrittenDescriptor {
  readonly mediaType: string
  readonly digest: Digest
  readonly size: number
  readonly annotations?: Readonly<Record<string, string>>
  /** The content itself, in base64. */
  readonly data?: string
}

/** Content that is written, and small. */
export interface WrittenContent {
  readonly descriptor: WrittenDescriptor
  readonly bytes: Buffer
}

/** ModelPack specification, "Media types". */
const MODEL = 'application/vnd.cncf.model'
const BUNDLE = 'application/vnd.dev.sigstore.bundle.v0.3+json'

/** By the name of a file. Everything else is a weight. */
const KINDS: readonly (readonly [RegExp, string])[] = [
  [/(?:^|\/)(?:LICEN[CS]E|README|NOTICE|COPYING)[^/]*$|\.(?:md|pdf|rst)$/i, 'doc'],
  [/\.(?:py|ipynb|js|mjs|ts|sh|jinja)$/i, 'code'],
  [/\.(?:json|ya?ml|toml|txt|ini|model)$/i, 'weight.config'],
]

/** The layer of a file: ModelPack tools find its path in one annotation, and ORAS in the other. */
export function layerOf(name: string, digest: Digest, size: number): WrittenDescriptor {
  const [, kind = 'weight'] = KINDS.find(([pattern]) => pattern.test(name)) ?? []
  return {
    mediaType: `${MODEL}.${kind}.v1.raw`,
    digest,
    size,
    annotations: { 'org.cncf.model.filepath': name, 'org.opencontainers.image.title': name },
  }
}

/** ModelPack specification, "Model configuration". Without times, so that a model has one digest however often it is pushed. */
export function configOf(name: string, layers: readonly WrittenDescriptor[]): WrittenContent {
  return content(
    {
      descriptor: { name },
      // Of raw layers, they are those of the layers.
      modelfs: { type: 'layers', diffIds: layers.map(({ digest }) => digest) },
      config: {},
    },
    `${MODEL}.config.v1+json`,
  )
}

export function manifestOf(config: WrittenDescriptor, layers: readonly WrittenDescriptor[]): WrittenContent {
  return content(
    { schemaVersion: 2, mediaType: IMAGE_MANIFEST, artifactType: `${MODEL}.manifest.v1+json`, config, layers },
    IMAGE_MANIFEST,
  )
}

/** Image specification 1.1, "Guidance for an empty descriptor". */
export const EMPTY = content({}, 'application/vnd.oci.empty.v1+json')

/** A Sigstore bundle that is attached to a manifest, as cosign attaches it. */
export interface AttachedBundle {
  readonly layer: WrittenContent
  readonly manifest: WrittenContent
}

/** @param predicateType of the statement in the bundle */
export function attachmentOf(bundle: Buffer, predicateType: string, subject: WrittenDescriptor): AttachedBundle {
  const layer = { descriptor: { mediaType: BUNDLE, digest: digestOf(bundle), size: bundle.length }, bytes: bundle }
  const { mediaType, digest, size } = subject
  const annotations = {
    'dev.sigstore.bundle.content': 'dsse-envelope',
    'dev.sigstore.bundle.predicateType': predicateType,
  }
  const manifest = content(
    {
      schemaVersion: 2,
      mediaType: IMAGE_MANIFEST,
      artifactType: BUNDLE,
      config: { ...EMPTY.descriptor, data: EMPTY.bytes.toString('base64') },
      layers: [layer.descriptor],
      subject: { mediaType, digest, size },
      annotations,
    },
    IMAGE_MANIFEST,
  )
  return { layer, manifest }
}

/** What a list of attachments says of one (distribution specification 1.1, "Referrers Tag Schema"). */
export function referrerOf({ manifest }: AttachedBundle): Record<string, unknown> {
  const { annotations } = JSON.parse(manifest.bytes.toString('utf8')) as { annotations: object }
  return { ...manifest.descriptor, artifactType: BUNDLE, annotations }
}

export function content(json: object, mediaType: string): WrittenContent {
  const bytes = Buffer.from(JSON.stringify(json))
  return { descriptor: { mediaType, digest: digestOf(bytes), size: bytes.length }, bytes }
}
