import { ModelSealError, shown } from '../errors.ts'
import { at } from '../at.ts'
import { furtherOf, type HashJob } from '../hashing/hash-file.ts'
import { hashFiles, type HashOptions, type ProgressCallback } from '../hashing/hash-files.ts'
import { hashWholeFiles } from '../hashing/hash-whole-files.ts'
import { findFiles } from '../source/local/find-files.ts'
import type { LocalSource } from '../source/local/local-source.ts'
import type { SizeLimit } from '../source/size-limit.ts'
import { statesOf, type FoundFile, type SourceFile } from '../source/local/source-file.ts'
import { ignoring } from './ignores.ts'
import { Manifest, type Resource } from './manifest.ts'
import { nameFault } from './names.ts'
import { sortByName } from './order.ts'
import { rangesOf, resourceName, type Serialization } from './serialization.ts'

export interface BuildOptions {
  /** True for a name to leave out together with everything below it, although the serialization does not record it. */
  leftOut?: ((name: string) => boolean) | undefined
  /** Files whose SHA-256 is computed besides what the serialization says. Their digests are not reused. */
  alsoWhole?: ((name: string) => boolean) | undefined
  /** How much may be read. Default: everything. */
  limit?: SizeLimit | undefined
  signal?: AbortSignal | undefined
  onProgress?: ProgressCallback | undefined
  warn?: HashOptions['warn']
}

/** A new manifest and the size of the model. */
export interface BuiltManifest {
  manifest: Manifest
  files: number
  bytes: number
  /** With `alsoWhole`: SHA-256 of these files by name, in lowercase hex. */
  whole?: ReadonlyMap<string, string>
}

/** A {@link BuiltManifest} with the file states that a later call can reuse digests by. */
export interface RememberedManifest extends BuiltManifest {
  /** The files in the states that were hashed. */
  listed: readonly SourceFile[]
  /** How much was not hashed, because its digests were known. */
  known: { files: number; bytes: number }
}

/** The known digests of a file, one for each range, or undefined if they must be computed. */
export type KnownDigests = (file: SourceFile, serialization: Serialization) => readonly string[] | undefined

/**
 * Hashes a model into a new manifest (OMS 6.1 to 6.5).
 *
 * @throws {@link ModelSealError} `MODEL_EMPTY`, `FILE_NAME`, `MODEL_TOO_LARGE`, `FILE_TOO_LARGE` beyond the limit, and what finding and hashing files throws
 */
export async function buildManifest(
  source: LocalSource,
  serialization: Serialization,
  options: BuildOptions,
): Promise<BuiltManifest> {
  if (serialization.method === 'shards' || options.limit || options.alsoWhole)
    return buildManifestKnowing(source, serialization, options)
  const files = await findNamed(source, serialization, options)
  const { digests, bytes } = await hashWholeFiles(files, { ...options, hashType: serialization.hashType })
  const resources = files.map(({ name }, index) => ({ name, digest: at(digests, index) }))
  return { manifest: manifestFrom(source, serialization, resources), files: files.length, bytes }
}

/**
 * Like {@link buildManifest}, but takes digests that are already known.
 *
 * @throws {@link ModelSealError} as {@link buildManifest}
 */
export async function buildManifestKnowing(
  source: LocalSource,
  serialization: Serialization,
  options: BuildOptions,
  knownDigests: KnownDigests = () => undefined,
): Promise<RememberedManifest> {
  const files = await listFiles(source, serialization, options)
  checkCount(files, serialization)
  for (const { name, identity } of files) options.limit?.admit(name, identity.size)
  const jobs = files.map((file): HashJob => ({
    file,
    ranges: rangesOf(file.identity.size, serialization),
    keep: false,
    ...(options.alsoWhole?.(file.name) ? { whole: ['sha256'] } : {}),
  }))
  const known = jobs.map(({ file, ranges, whole: wanted }) => {
    if (wanted) return undefined
    const digests = knownDigests(file, serialization)
    return digests?.length === ranges.length ? digests : undefined
  })
  const unknown = jobs.filter((_, index) => !known[index])
  const results = await hashFiles(unknown, { ...options, hashType: serialization.hashType, mayBeElsewhere: true })

  const resources: Resource[] = []
  const whole = new Map<string, string>()
  let next = 0
  jobs.forEach(({ file, ranges }, index) => {
    const result = known[index] ? undefined : at(results, next++)
    const digests = known[index] ?? result?.digests ?? []
    for (const digest of result ? furtherOf(result) : []) whole.set(file.name, digest)
    ranges.forEach((range, part) =>
      resources.push({ name: resourceName(file.name, range, serialization), digest: at(digests, part) }),
    )
  })
  return {
    manifest: manifestFrom(source, serialization, resources),
    ...amountOf(jobs),
    ...(options.alsoWhole ? { whole } : {}),
    listed: files,
    known: amountOf(jobs.filter((_, index) => known[index])),
  }
}

/** The files that {@link buildManifest} hashes. */
export async function listFiles(
  source: LocalSource,
  serialization: Serialization,
  options: Pick<BuildOptions, 'leftOut' | 'signal'>,
): Promise<SourceFile[]> {
  return statesOf(await findNamed(source, serialization, options), options.signal)
}

/** The files to sign. Their names are checked. */
async function findNamed(
  source: LocalSource,
  { ignorePaths = [], allowSymlinks }: Serialization,
  { leftOut, signal }: BuildOptions,
): Promise<FoundFile[]> {
  const recorded = ignoring(ignorePaths)
  const ignored = leftOut ? (name: string) => recorded(name) || leftOut(name) : recorded
  const files = await findFiles(source, { ignored, followLinks: allowSymlinks, signal })
  for (const { name } of files) {
    const fault = nameFault(name)
    if (fault)
      throw new ModelSealError(
        'FILE_NAME',
        `Cannot sign the file ${shown(name)}: its name is not allowed, because ${fault}.`,
        { file: name },
      )
  }
  return files
}

/** @throws {@link ModelSealError} `MODEL_EMPTY` */
export function manifestFrom(
  source: Pick<LocalSource, 'name' | 'path'>,
  serialization: Serialization,
  resources: Resource[],
): Manifest {
  // OMS 6.1 (1): an empty model must be rejected.
  if (resources.length === 0) {
    throw new ModelSealError('MODEL_EMPTY', `Cannot sign ${shown(source.path)}: there are no files to sign.`, {
      file: source.path,
      hint: 'Check the path and the ignored paths.',
    })
  }
  // OMS 6.4: sorted by name.
  sortByName(resources)
  return new Manifest(source.name, serialization, resources)
}

function amountOf(jobs: readonly HashJob[]): { files: number; bytes: number } {
  return { files: jobs.length, bytes: jobs.reduce((sum, { file }) => sum + file.identity.size, 0) }
}

/** Maximum number of resources in a statement. A tiny shard size would otherwise fill the memory. */
const MAX_RESOURCES = 1_000_000

function checkCount(files: readonly SourceFile[], { method, shardSize = 1 }: Serialization): void {
  const count = files.reduce(
    (sum, { identity }) => sum + (method === 'files' ? 1 : Math.ceil(identity.size / shardSize)),
    0,
  )
  if (count <= MAX_RESOURCES) return
  throw new ModelSealError('MODEL_TOO_LARGE', 'Cannot sign the model: its manifest would be too long.', {
    expected: `at most ${MAX_RESOURCES} files or shards`,
    found: `${count}`,
    hint: 'Choose a larger shard size.',
  })
}
