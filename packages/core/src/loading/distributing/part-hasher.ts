import { at } from '../../at.ts'
import { ModelSealError, shown } from '../../errors.ts'
import { StreamHasher } from '../../hashing/stream-hasher.ts'
import { pathOrName, stateVersion, type FileElsewhere, type WantedDigest } from '../../hashing/elsewhere.ts'
import { hashFiles } from '../../hashing/hash-files.ts'
import { callback, signal as abortSignal } from '../../kinds.ts'
import { snapshot, type Shape } from '../../snapshot.ts'
import { openRemoteModel, type RemoteModel } from '../../signing/models/remote-model.ts'
import { throwIfAborted } from '../../source/aborted.ts'
import { ignoresRanges } from '../../source/http/request.ts'
import { lanes } from '../../source/lanes.ts'
import { realPathOf } from '../../source/local/open-file.ts'
import { changed, statesOf, type SourceFile } from '../../source/local/source-file.ts'
import type { ModelFiles, ModelSource, SourceBody, SourceEntry } from '../../source/model-source.ts'

/** Parts of files that are read at a time. */
const PARTS_AT_A_TIME = 4

/** How files are hashed for another machine. */
export interface PartHashingOptions {
  signal?: AbortSignal | undefined
  onProgress?: ((done: number) => void) | undefined
}

/** How files on disk are hashed for another machine. */
export interface DiskHashingOptions extends PartHashingOptions {
  /** Called with the path of each file and with where it really is, before anything of it is told. Throws if it must not be read. */
  checkPlace?: ((path: string, realPath: string) => void) | undefined
}

const OPTIONS: Shape<PartHashingOptions> = { signal: abortSignal, onProgress: callback }
const DISK_OPTIONS: Shape<DiskHashingOptions> = { ...OPTIONS, checkPlace: callback }

/**
 * Hashes files on this machine's disks that another machine has listed, if they are in the states that it saw.
 *
 * @returns the digests of each file, in the order in which they are wanted
 * @throws {@link ModelSealError} `FILE_CHANGED`, `FILE_UNREADABLE`, `HASH_UNAVAILABLE`, `ABORTED`, and what `checkPlace` throws
 */
export async function hashFilesOnDisk(
  files: readonly FileElsewhere[],
  given: DiskHashingOptions = {},
): Promise<string[][]> {
  const { signal, onProgress, checkPlace } = snapshot(given, DISK_OPTIONS, 'hashFilesOnDisk')
  const found = files.map(({ place }) => ({ name: pathOrName(place), path: pathOrName(place) }))
  const states = await statesOf(found, signal)
  // These very files are hashed: others at the same paths are refused.
  if (checkPlace) for (const state of states) checkPlace(state.path, realPathOf(state))
  states.forEach((state, index) => checkVersion(state, at(files, index)))
  const digests = files.map(({ wanted }) => wanted.map(() => ''))
  let before = 0
  for (const [hashType, jobs] of byType(files)) {
    const work = jobs.map(({ index, places }) => {
      const file = at(states, index)
      const { wanted } = at(files, index)
      return { file, keep: false, ranges: places.map((place) => at(wanted, place)) }
    })
    const results = await hashFiles(work, { hashType, signal, onProgress: (done) => onProgress?.(before + done) })
    results.forEach((result, job) => {
      const { index, places } = at(jobs, job)
      places.forEach((place, part) => (at(digests, index)[place] = at(result.digests, part)))
    })
    before += work.flatMap(({ ranges }) => ranges).reduce((sum, { start, end }) => sum + end - start, 0)
  }
  return digests
}

/** Hashes parts of a model that is not on this machine, for another machine that has listed it. */
export class SourceHasher {
  readonly #model: RemoteModel
  readonly #close: () => Promise<void>
  #entries: ReadonlyMap<string, SourceEntry> | undefined

  /** @throws {@link ModelSealError} `SCHEME_UNKNOWN`, `ABORTED`, and what the source throws */
  static async open(source: string | ModelSource, signal?: AbortSignal): Promise<SourceHasher> {
    const { model, close } = await openRemoteModel(source, { signal })
    return new SourceHasher(model, close)
  }

  private constructor(model: RemoteModel, close: () => Promise<void>) {
    this.#model = model
    this.#close = close
  }

  /**
   * @returns the digests of each file, in the order in which they are wanted
   * @throws {@link ModelSealError} `FILE_MISSING`, `FILE_CHANGED` (another version, or not as many bytes), `SOURCE_UNLISTED`,
   * `SOURCE_LISTING`, `ABORTED`, and what the source throws
   */
  async hash(files: readonly FileElsewhere[], given: PartHashingOptions = {}): Promise<string[][]> {
    const { signal, onProgress } = snapshot(given, OPTIONS, 'hash')
    const entries = await this.#listed()
    for (const file of files) this.#checkEntry(file, entries)
    const digests = files.map(({ wanted }) => wanted.map(() => ''))
    const parts = files.flatMap((file, index) => file.wanted.map((wanted, place) => ({ file, index, wanted, place })))
    let done = 0
    const reader = this.#model.opened.newReader()
    const stop = () => void reader.stop()
    signal?.addEventListener('abort', stop, { once: true })
    try {
      await Promise.all(
        lanes(parts, PARTS_AT_A_TIME, async ({ file, index, wanted, place }) => {
          throwIfAborted(signal)
          const count = (bytes: number) => onProgress?.((done += bytes))
          at(digests, index)[place] = await hashedPart({ files: this.#model.files, reader, file, wanted, count })
        }),
      )
      return digests
    } finally {
      signal?.removeEventListener('abort', stop)
      await reader.stop()
    }
  }

  close(): Promise<void> {
    return this.#close()
  }

  async #listed(): Promise<ReadonlyMap<string, SourceEntry>> {
    // Only a listing that succeeded is kept.
    return (this.#entries ??= new Map((await this.#model.entries()).map((entry) => [entry.name, entry])))
  }

  #checkEntry({ place, size, version }: FileElsewhere, entries: ReadonlyMap<string, SourceEntry>): void {
    const name = pathOrName(place)
    const entry = entries.get(name)
    if (!entry)
      throw new ModelSealError('FILE_MISSING', `Cannot hash the file ${shown(name)}: its source does not list it.`, {
        file: name,
      })
    const found = entry.version ?? this.#model.revision
    if (found === version && entry.size === size) return
    throw changedVersion(
      name,
      `${size} bytes, version ${version}`,
      `${entry.size} bytes, version ${found ?? 'unknown'}`,
    )
  }
}

interface Part {
  files: ModelFiles
  reader: ReturnType<RemoteModel['opened']['newReader']>
  file: FileElsewhere
  wanted: WantedDigest
  count: (bytes: number) => void
}

async function hashedPart({ files, reader, file, wanted, count }: Part): Promise<string> {
  const name = pathOrName(file.place)
  const length = wanted.end - wanted.start
  const isWhole = wanted.start === 0 && wanted.end === file.size
  const range = isWhole ? undefined : { start: wanted.start, end: wanted.end }
  const hasher = new StreamHasher(wanted.hashType, Infinity)
  let bytes = 0
  const take = async ({ chunks }: SourceBody): Promise<true> => {
    for await (const chunk of chunks) {
      bytes += chunk.length
      if (bytes > length) throw changedVersion(name, `${length} bytes`, `${bytes} bytes or more`)
      hasher.update(chunk)
      count(chunk.length)
    }
    if (bytes !== length) throw changedVersion(name, `${length} bytes`, `${bytes} bytes`)
    return true
  }
  const received = await reader
    .read(`file ${shown(name)}`, (signal, receive) => files.read({ name, range, kept: true, signal }, receive), take)
    .catch((error: unknown) => {
      throw ignoresRanges(error) ? unranged(name, error) : error
    })
  if (!received) throw changedVersion(name, `${length} bytes`, 'no such file')
  return at(hasher.digests(), 0)
}

/** The wanted digests by their hash type: of which file, and at which places. */
function byType(files: readonly FileElsewhere[]) {
  const types = new Map<WantedDigest['hashType'], { index: number; places: number[] }[]>()
  files.forEach(({ wanted }, index) => {
    for (const [hashType, each] of Map.groupBy(wanted.entries(), ([, { hashType }]) => hashType)) {
      const jobs = types.get(hashType) ?? []
      jobs.push({ index, places: each.map(([place]) => place) })
      types.set(hashType, jobs)
    }
  })
  return types
}

function checkVersion(state: SourceFile, { size, version }: FileElsewhere): void {
  const found = stateVersion(state.identity)
  if (state.identity.size === size && found === version) return
  throw changed(state, `it is not in the state that was listed (expected ${version}, found ${found})`)
}

function changedVersion(name: string, expected: string, found: string): ModelSealError {
  return new ModelSealError('FILE_CHANGED', `The file ${shown(name)} changed after it was listed.`, {
    file: name,
    expected,
    found,
    hint: 'Make sure that nothing writes to the model while it is hashed, and try again.',
  })
}

function unranged(name: string, cause: unknown): ModelSealError {
  return new ModelSealError(
    'HTTP_RESPONSE',
    `Cannot hash a part of ${shown(name)}: its source only sends whole files.`,
    {
      file: name,
      hint: 'Hash whole files: leave the shard size out.',
      cause,
    },
  )
}
