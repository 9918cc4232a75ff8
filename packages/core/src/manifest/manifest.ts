import { createHash } from 'node:crypto'
import { ModelSealError, shown } from '../errors.ts'
import { ALGORITHMS, type HashType } from '../hashing/algorithms.ts'
import { at } from '../at.ts'
import type { ByteRange } from '../hashing/hash-file.ts'
import { withoutPrototype } from '../snapshot.ts'
import { ListedFiles, type ListedFile } from './listed-files.ts'
import { nameFault } from './names.ts'
import { areSortedByName, compareCodePoints, compareComponents, strictlyAscending } from './order.ts'
import { parseShardName, type Serialization } from './serialization.ts'

/** One line of a manifest: a file, or a shard of one, and its digest (OMS 5.2.1). */
export interface Resource {
  /** Relative to the model root; `path:start:end` for a shard. */
  name: string
  /** Lowercase hex. */
  digest: string
}

/** The name that version 1.1.1 of the reference tool gives the file of a single-file model. */
export const UNNAMED_FILE = '.'

const UNNAMED_MODEL = 'model'

/**
 * The list of a model's files and digests. A value object: the constructor checks it, so that a manifest
 * with an invalid, repeated or unordered name, or with a malformed digest, cannot exist.
 */
export class Manifest {
  /** The name that the signer gave the model (default: its base name); undefined if the statement has none. */
  readonly statedName: string | undefined
  readonly serialization: Readonly<Serialization>
  readonly resources: readonly Resource[]
  /** Identity of the model: SHA-256 over the raw digests in order, in lowercase hex (OMS 6.5.1). */
  readonly rootDigest: string
  #files: ListedFiles | undefined

  /**
   * @throws {@link ModelSealError} `RESOURCES_EMPTY`, `RESOURCE_NAME`, `RESOURCE_DUPLICATE`,
   * `RESOURCE_ORDER`, `RESOURCE_DIGEST`
   */
  constructor(statedName: string | undefined, serialization: Serialization, resources: readonly Resource[]) {
    // OMS 5.2.1: the array must contain at least one entry.
    if (resources.length === 0) {
      throw new ModelSealError('RESOURCES_EMPTY', 'Cannot use the manifest: it names no files.')
    }
    this.statedName = statedName
    // So that an `ignorePaths` on `Object.prototype` does not count.
    this.serialization = withoutPrototype(serialization)
    this.resources = resources
    this.rootDigest = rootDigest(resources, serialization)
    const sharded = serialization.method === 'shards' ? shardedFiles(resources, serialization) : undefined
    if (sharded) this.#files = new ListedFiles(sharded, (place) => at(sharded, place))
    checkNames(sharded ?? resources)
    checkOrder(resources, serialization)
  }

  /** For display: {@link statedName}, or a placeholder if there is none. */
  get modelName(): string {
    return this.statedName ?? UNNAMED_MODEL
  }

  /** The files by name. Created on first use, because signing does not need them. */
  get files(): ReadonlyMap<string, ListedFile> {
    return this.#listedFiles
  }

  /** Creates the map of {@link files} now, as a step of its own: with many files, this takes milliseconds. */
  mapFiles(): void {
    this.#files ??= this.#listed()
  }

  /** The names of the files, in order; cheaper than the keys of {@link files}. */
  *fileNames(): Generator<string, undefined> {
    if (this.#files) yield* this.#files.keys()
    else for (const { name } of this.resources) yield name
  }

  get #listedFiles(): ListedFiles {
    return (this.#files ??= this.#listed())
  }

  #listed(): ListedFiles {
    return new ListedFiles(this.resources, (place) => {
      const { name, digest } = at(this.resources, place)
      return { name, digests: [digest] }
    })
  }

  /** The position of a file in the manifest, counted from 0. */
  placeOf(name: string): number | undefined {
    return this.#listedFiles.placeOf(name)
  }

  /** The entry of a file known to be in the manifest, by its name or as the only file. */
  listed(name: string): ListedFile {
    const listed = this.files.get(name) ?? this.files.get(UNNAMED_FILE)
    if (!listed) throw new RangeError(`no ${name} in the manifest`)
    return listed
  }
}

/**
 * Checks the digests and hashes them, many at once, because a call costs more than hashing a digest.
 */
function rootDigest(resources: readonly Resource[], { hashType }: Serialization): string {
  const { hexLength } = ALGORITHMS[hashType]
  const hash = createHash('sha256')
  for (let start = 0; start < resources.length; start += DIGESTS_AT_ONCE) {
    const some = resources.slice(start, start + DIGESTS_AT_ONCE)
    const hex = some.map(({ digest }) => digest).join('')
    const bytes = Buffer.from(hex, 'hex')
    // Decoding and encoding returns the same text only if all of it is lowercase hex.
    if (some.some(({ digest }) => digest.length !== hexLength) || bytes.toString('hex') !== hex)
      throw badDigest(some, hashType)
    hash.update(bytes)
  }
  return hash.digest('hex')
}

const DIGESTS_AT_ONCE = 1_024

/** The refusal of the resource with a malformed digest. */
function badDigest(resources: readonly Resource[], hashType: HashType): ModelSealError {
  const { hexLength } = ALGORITHMS[hashType]
  const isGood = ({ digest }: Resource) => digest.length === hexLength && /^[0-9a-f]*$/.test(digest)
  const { name, digest } = resources.find((resource) => !isGood(resource)) ?? { name: '', digest: '' }
  return new ModelSealError(
    'RESOURCE_DIGEST',
    `Cannot use the manifest: the digest of ${shown(name)} is not a valid ${hashType} digest.`,
    {
      file: name,
      expected: `${hexLength} lowercase hex digits`,
      found: shown(digest),
    },
  )
}

function namedTwice(name: string): ModelSealError {
  return new ModelSealError('RESOURCE_DUPLICATE', `Cannot use the manifest: it names ${shown(name)} twice.`, {
    file: name,
  })
}

interface Shard {
  range: ByteRange
  digest: string
}

function shardedFiles(resources: readonly Resource[], { shardSize = 0 }: Serialization): ListedFile[] {
  const byFile = new Map<string, Shard[]>()
  for (const { name, digest } of resources) {
    const parsed = parseShardName(name)
    if (!parsed) {
      throw new ModelSealError(
        'RESOURCE_NAME',
        `Cannot use the manifest: the signed name ${shown(name)} is not the name of a shard.`,
        {
          file: name,
          expected: 'the form path:start:end',
        },
      )
    }
    const shards = byFile.get(parsed.file)
    if (shards) shards.push({ range: parsed.range, digest })
    else byFile.set(parsed.file, [{ range: parsed.range, digest }])
  }
  return [...byFile].map(([name, shards]) => {
    shards.sort((a, b) => a.range.start - b.range.start)
    return { name, digests: shards.map(({ digest }) => digest), size: coveredSize(name, shards, shardSize) }
  })
}

/** OMS 6.3.2: consecutive ranges of exactly `shard_size` bytes; the last may be shorter. */
function coveredSize(file: string, shards: readonly Shard[], shardSize: number): number {
  let covered = 0
  for (const [index, { range }] of shards.entries()) {
    const length = range.end - range.start
    const last = index === shards.length - 1
    if (range.end === covered && shards[index - 1]?.range.start === range.start) {
      throw namedTwice(`${file}:${range.start}:${range.end}`)
    }
    if (range.start !== covered || length < 1 || (last ? length > shardSize : length !== shardSize)) {
      throw new ModelSealError(
        'RESOURCE_NAME',
        `Cannot use the manifest: the shards of ${shown(file)} overlap or leave gaps.`,
        {
          file,
          expected: `a shard from ${covered} of ${last ? 'at most ' : ''}${shardSize} bytes`,
          found: `${range.start}:${range.end}`,
        },
      )
    }
    covered = range.end
  }
  return covered
}

function checkNames(files: readonly { name: string }[]): void {
  // The reference tool's name for the file of a single-file model. It must be the only entry.
  if (files.length === 1 && files[0]?.name === UNNAMED_FILE) return
  for (const { name } of files) {
    const fault = nameFault(name)
    if (fault === undefined) continue
    throw new ModelSealError(
      'RESOURCE_NAME',
      `Cannot use the manifest: the signed name ${shown(name)} is not allowed, because ${fault}.`,
      {
        file: name,
        expected: 'a path relative to the model root, in canonical form',
      },
    )
  }
}

/** OMS 5.2.1, or the order that the reference tool writes; for shards, see OMS 6.3.2. Strict order also rules out repeated names. */
function checkOrder(resources: readonly Resource[], { method }: Serialization): void {
  const ascending =
    method === 'files'
      ? areSortedByName(resources) || strictlyAscending(resources, (a, b) => compareComponents(a.name, b.name))
      : ascendingShards(resources.map(({ name }) => shardKey(name)))
  if (ascending) return
  const names = new Set<string>()
  for (const { name } of resources) {
    if (names.has(name)) throw namedTwice(name)
    names.add(name)
  }
  const late = resources.findIndex(
    ({ name }, i) => i > 0 && compareCodePoints((resources[i - 1] as Resource).name, name) >= 0,
  )
  const name = resources[late]?.name ?? ''
  throw new ModelSealError(
    'RESOURCE_ORDER',
    `Cannot use the manifest: it is not sorted by name. ${shown(name)} comes too late.`,
    {
      file: name,
    },
  )
}

function ascendingShards(shards: readonly ShardKey[]): boolean {
  return SHARD_ORDERS.some((order) => strictlyAscending(shards, order))
}

interface ShardKey {
  name: string
  file: string
  start: number
}

const SHARD_ORDERS: readonly ((a: ShardKey, b: ShardKey) => number)[] = [
  (a, b) => compareCodePoints(a.name, b.name),
  (a, b) => compareCodePoints(a.file, b.file) || a.start - b.start,
  (a, b) => compareComponents(a.file, b.file) || a.start - b.start,
  (a, b) => compareComponents(a.file, b.file) || compareCodePoints(a.name, b.name),
]

function shardKey(name: string): ShardKey {
  const parsed = parseShardName(name)
  return { name, file: parsed?.file ?? name, start: parsed?.range.start ?? 0 }
}
