import type { FileElsewhere, WantedDigest } from '@modelseal/core/distributed'
import { BATCH_BYTES, MOST_NAMES, MOST_PARTS, writeJob, type Job, type WrittenJob } from './job.ts'

/** A job, and whose digests it computes. */
export interface PlannedJob extends WrittenJob {
  readonly job: Job
  readonly bytes: number
  /** For each of its digests, the index of the file and that of the wanted digest. */
  readonly places: readonly (readonly [file: number, wanted: number])[]
}

/**
 * Makes jobs of what is to be hashed: of each large part, and of batches of small ones. The same files give the same jobs.
 *
 * @param source URL of the model; undefined for files on disk
 */
export function* jobsOf(files: readonly FileElsewhere[], source: string | undefined): Generator<PlannedJob> {
  let batch = new Batch(source)
  for (const [index, file] of files.entries()) {
    for (const [place, wanted] of file.wanted.entries()) {
      if (wanted.end - wanted.start >= BATCH_BYTES) {
        const alone = new Batch(source)
        alone.add(file, wanted, [index, place])
        yield alone.planned()
        continue
      }
      if (!batch.hasRoomFor(file, wanted)) {
        yield batch.planned()
        batch = new Batch(source)
      }
      batch.add(file, wanted, [index, place])
    }
  }
  if (!batch.isEmpty) yield batch.planned()
}

class Batch {
  readonly #source: string | undefined
  readonly #files: Job['files'] = []
  readonly #places: (readonly [number, number])[] = []
  #bytes = 0
  #names = 0

  constructor(source: string | undefined) {
    this.#source = source
  }

  get isEmpty(): boolean {
    return this.#places.length === 0
  }

  hasRoomFor(file: FileElsewhere, { start, end }: WantedDigest): boolean {
    if (this.isEmpty) return true
    const names = this.#names + nameOf(file).length
    return this.#bytes + end - start <= BATCH_BYTES && this.#places.length < MOST_PARTS && names <= MOST_NAMES
  }

  add(file: FileElsewhere, { hashType, start, end }: WantedDigest, place: readonly [number, number]): void {
    const part = { hashType, start, end }
    const last = this.#files.at(-1)
    const [before] = this.#places.at(-1) ?? []
    if (last && before === place[0]) last.parts.push(part)
    else this.#files.push({ name: nameOf(file), size: file.size, version: file.version, parts: [part] })
    this.#places.push(place)
    this.#bytes += end - start
    this.#names += nameOf(file).length
  }

  planned(): PlannedJob {
    const source = this.#source
    const job: Job = { v: 1, files: this.#files, ...(source === undefined ? {} : { source }) }
    return { ...writeJob(job), job, bytes: this.#bytes, places: this.#places }
  }
}

function nameOf({ place }: FileElsewhere): string {
  return 'path' in place ? place.path : place.name
}
