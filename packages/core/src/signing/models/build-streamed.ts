import { ModelSealError, shown } from '../../errors.ts'
import type { ModelFiles, SourceEntry } from '../../source/model-source.ts'
import type { SourceReader } from '../../source/answers/source-reader.ts'
import type { SizeLimit } from '../../source/size-limit.ts'
import type { ProgressCallback } from '../../hashing/hash-files.ts'
import { manifestFrom, type BuiltManifest } from '../../manifest/build.ts'
import { mismatch } from '../../manifest/mismatch.ts'
import { HEAD_BYTES, isLfsPointer } from '../../manifest/plain-content.ts'
import { rangesOf, resourceName, type Serialization } from '../../manifest/serialization.ts'
import type { Comparison } from '../../manifest/arriving/comparison.ts'
import { StreamedFiles } from '../../manifest/arriving/streamed-files.ts'

interface StreamedBuild {
  files: ModelFiles
  reader: SourceReader
  /** The files to sign. */
  entries: readonly SourceEntry[]
  limit: SizeLimit | undefined
  /** Takes SHA-256 digests that the source states, instead of reading these files. */
  trustStated: boolean
  /** The revision that all files are read at. */
  revision: string | undefined
  signal: AbortSignal | undefined
  /** Whether the SHA-256 of each file is computed besides what the serialization says. */
  alsoWhole: boolean
  onProgress?: ProgressCallback | undefined
}

/** A manifest of files that are not on this machine. */
export interface StreamedManifest extends BuiltManifest {
  /** The files that were not read, because their digests were taken as stated. */
  stated: { files: number; bytes: number }
  /** Names of files that are Git LFS pointers. */
  pointers: string[]
}

/**
 * Hashes a model that is not on this machine into a new manifest, as its files arrive.
 *
 * @throws {@link ModelSealError} `MODEL_EMPTY`, `FILE_MISSING` (a listed file is not there), `FILE_TOO_LARGE`, and what the source throws
 */
export async function buildStreamed(serialization: Serialization, model: StreamedBuild): Promise<StreamedManifest> {
  const { files, reader, entries, limit, trustStated, alsoWhole, onProgress, revision, signal } = model
  const found = new FoundDigests(files.path, serialization)
  const isStated = ({ sha256 }: SourceEntry) => trustStated && sha256 !== undefined
  const stated = entries.filter(isStated)
  const read = entries.filter((entry) => !isStated(entry)).map(({ name }) => name)
  const announced = new Map(entries.map((entry) => [entry.name, entry]))
  // Nobody reads them again, so a cache would only fill the disk.
  const unkept: ModelFiles = { ...files, read: (request, receive) => files.read({ ...request, kept: true }, receive) }
  const whole = new Map<string, string>()
  const streams = new StreamedFiles({ files: unkept, reader, limit }, found, {
    further: {
      hashTypes: alsoWhole ? ['sha256'] : [],
      check: (name, _, digest) => void whole.set(name, digest),
    },
    announced,
    revision,
    signal,
    onProgress,
  })
  await streams.checkRest(read)
  const digests = new Map([...found.byName, ...stated.map(({ name, sha256 = '' }) => [name, [sha256]] as const)])
  const size = (name: string) => announced.get(name)?.size ?? streams.size(name)
  const resources = [...digests].flatMap(([name, each]) => {
    if (serialization.method === 'files') return [{ name, digest: each[0] ?? '' }]
    return rangesOf(streams.size(name), serialization).map((range, part) => ({
      name: resourceName(name, range, serialization),
      digest: each[part] ?? '',
    }))
  })
  const bytes = stated.reduce((sum, { name }) => sum + size(name), 0)
  return {
    manifest: manifestFrom(files, serialization, resources),
    files: entries.length,
    bytes: streams.checked.bytes + bytes,
    ...(alsoWhole ? { whole } : {}),
    stated: { files: stated.length, bytes },
    pointers: found.pointers,
  }
}

/** Keeps the digests of what arrives. There is nothing to compare them with. */
class FoundDigests implements Comparison {
  readonly digests: { hashType: Serialization['hashType']; shardSize: number }
  readonly byName = new Map<string, readonly string[]>()
  readonly pointers: string[] = []
  readonly #path: string

  constructor(path: string, { hashType, shardSize = Infinity }: Serialization) {
    this.#path = path
    this.digests = { hashType, shardSize }
  }

  expected(): undefined {
    return undefined
  }

  check(name: string, digests: readonly string[], head: Buffer): void {
    this.byName.set(name, digests)
    if (head.length < HEAD_BYTES && isLfsPointer(head.toString('latin1'))) this.pointers.push(name)
  }

  wrongSize(name: string, { expected, found }: { expected: number; found: string }): ModelSealError {
    return new ModelSealError('FILE_CHANGED', `Cannot sign the file ${shown(name)}: it has another size now.`, {
      file: name,
      expected: `${expected} bytes`,
      found,
    })
  }

  missing(name: string): ModelSealError {
    return mismatch(
      this.#path,
      [{ code: 'FILE_MISSING', file: name }],
      () => undefined,
      'Its source lists it, but does not have it. Try again.',
    )
  }
}
