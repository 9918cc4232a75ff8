import { ModelSealError, shown } from '@modelseal/core/errors'
import { CLAIMS_NAME } from '@modelseal/core/source'
import { foldedName } from '@modelseal/core/http'
import { descriptorFrom, field, listFrom, malformed, type Descriptor } from './descriptor.ts'
import { isDigest } from './digest.ts'
import { ociUrl, type OciReference } from './reference.ts'
import { DOCKER_LIST, IMAGE_INDEX, IMAGE_MANIFEST, type FetchedManifest } from './repository.ts'

/** A model in a registry, as its manifest describes it. */
export interface Artifact {
  /** Layers that are files, by their names. */
  readonly files: ReadonlyMap<string, Descriptor>
  /** Layers that contain files. */
  readonly archives: readonly Archive[]
}

/** A layer that is a tar archive. */
export interface Archive extends Descriptor {
  readonly compression: 'gzip' | 'zstd' | undefined
  /** The file or directory in it, if the layer says so. */
  readonly path: string | undefined
  /** The directory in it that is the model, if all files are in one. Names of files are then relative to it. */
  readonly root: string | undefined
}

/** ModelPack specification, "Annotations". */
const FILEPATH = 'org.cncf.model.filepath'
/** Image specification, "Annotations". ORAS names files with it. */
const TITLE = 'org.opencontainers.image.title'
/** ORAS packs directories in archives and marks them. */
const UNPACK = 'io.deis.oras.content.unpack'

/** The usual name of a bundle in a directory. */
export const USUAL_NAME = 'model.sig'
/** Sigstore bundles of all versions. */
export const BUNDLE_TYPE =
  /^application\/vnd\.dev\.sigstore\.bundle(?:\.v0\.\d+(?:\.\d+)?\+json|\+json;\s*version=0\.\d)$/

/** ModelPack specification, "Media types". */
const MODEL_LAYER = /^application\/vnd\.cncf\.model\.[a-z.]+\.v\d+\.(raw|tar|tar\+gzip|tar\+zstd)$/
/** More than any model has. */
const MAX_LAYERS = 20_000
/** Of an index, in the hint. */
const MAX_SHOWN = 8

/**
 * Reads which layers of an artifact are files. Layers without a name are none, as for ORAS.
 *
 * @throws {@link ModelSealError} `MODEL_NOT_FOUND` if it is an index of several artifacts or has no files;
 * `SOURCE_LISTING` if two layers have one name; `SOURCE_FAILED`
 */
export function artifactFrom(manifest: FetchedManifest, reference: OciReference): Artifact {
  const url = ociUrl(reference)
  const where = `manifest ${shown(url)}`
  const { mediaType, content } = manifest
  if (mediaType === IMAGE_INDEX || mediaType === DOCKER_LIST) throw severalArtifacts(content, reference)
  if (mediaType !== IMAGE_MANIFEST) throw malformed(where, IMAGE_MANIFEST, mediaType)
  if (field(content, 'schemaVersion') !== 2) throw malformed(where, 'schema version 2', field(content, 'schemaVersion'))
  const files = new Map<string, Descriptor>()
  const names = new Set<string>()
  const archives: Archive[] = []
  for (const given of listFrom(field(content, 'layers'), where, MAX_LAYERS)) {
    const layer = descriptorFrom(given, where)
    const archive = archiveFrom(layer)
    const name = nameOf(layer)
    if (archive) archives.push(archive)
    else if (name !== undefined) {
      const folded = foldedName(name)
      if (names.has(folded)) throw sameName(url, name)
      names.add(folded)
      files.set(name, layer)
    }
  }
  if (files.size === 0 && archives.length === 0) throw noFiles(url)
  return { files, archives: rooted(archives, files) }
}

/** `oras push REF ./DIR` makes one archive, in which all names begin with `DIR/`. Then that directory is the model. */
function rooted(archives: readonly Archive[], files: Artifact['files']): readonly Archive[] {
  const [only, ...others] = archives
  const hasContent = [...files].some(([name, layer]) => name !== CLAIMS_NAME && !isUsualBundle(name, layer))
  if (!only?.path || others.length > 0 || hasContent || only.annotations.get(UNPACK) !== 'true') return archives
  const isPlain = only.path.split('/').every((each) => each !== '' && each !== '.' && each !== '..')
  return isPlain ? [{ ...only, root: only.path }] : archives
}

/** The bundles that are looked for unless the rule of a policy names others. */
export function isUsualBundle(name: string, { mediaType }: Descriptor): boolean {
  return name === USUAL_NAME || (name.endsWith('.sig') && BUNDLE_TYPE.test(mediaType))
}

function nameOf({ annotations }: Descriptor): string | undefined {
  return annotations.get(FILEPATH) ?? annotations.get(TITLE)
}

/**
 * @returns undefined for a layer that is a file. ORAS gives every file the type of a tar archive, so that type alone
 * means nothing
 * @throws {@link ModelSealError} `SOURCE_FAILED` for a ModelPack layer of an unknown kind
 */
function archiveFrom(layer: Descriptor): Archive | undefined {
  const { mediaType, annotations } = layer
  const path = nameOf(layer)
  if (annotations.get(UNPACK) === 'true') return { ...layer, path, root: undefined, compression: 'gzip' }
  const [, kind] = MODEL_LAYER.exec(mediaType) ?? []
  if (kind === undefined && annotations.has(FILEPATH))
    throw malformed(
      `layer ${shown(path ?? '')}`,
      'a ModelPack layer of the kind raw, tar, tar+gzip or tar+zstd',
      mediaType,
    )
  if (kind === undefined || kind === 'raw') return undefined
  const [, compression] = kind.split('+') as ['tar', Archive['compression']]
  return { ...layer, path, root: undefined, compression }
}

function severalArtifacts(content: unknown, reference: OciReference): ModelSealError {
  const given = field(content, 'manifests')
  const digests = (Array.isArray(given) ? (given as unknown[]) : [])
    .map((each) => field(each, 'digest'))
    .filter(isDigest)
  const names = digests.slice(0, MAX_SHOWN).map((digest) => shown(ociUrl({ ...reference, version: { digest } })))
  const more = digests.length > names.length ? `, or one of ${digests.length - names.length} more` : ''
  return new ModelSealError(
    'MODEL_NOT_FOUND',
    `Cannot load ${shown(ociUrl(reference))}: it is an index of several artifacts.`,
    {
      file: ociUrl(reference),
      expected: 'the manifest of one artifact',
      found: `an index of ${digests.length}`,
      hint:
        names.length === 0
          ? 'Name the manifest of the model by its digest.'
          : `Name one of them: ${names.join(', ')}${more}.`,
    },
  )
}

function noFiles(url: string): ModelSealError {
  return new ModelSealError(
    'MODEL_NOT_FOUND',
    `Cannot load ${shown(url)}: it has no layers that are files of a model.`,
    {
      file: url,
      expected: `layers with the annotation ${FILEPATH} or ${TITLE}`,
      hint: 'Check that the URL names a model and not a container image. "oras push" and ModelPack tools name the files.',
    },
  )
}

function sameName(url: string, name: string): ModelSealError {
  return new ModelSealError(
    'SOURCE_LISTING',
    `Cannot load ${shown(url)}: two of its layers have the same name, or two spellings of it.`,
    {
      file: name,
      expected: 'one layer for each file',
      hint: 'Ask the publisher of the model to push it again.',
    },
  )
}
