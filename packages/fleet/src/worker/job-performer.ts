import { hashFilesOnDisk, type DiskHashingOptions, type FileElsewhere } from '@modelseal/core/distributed'
import { ModelSealError, type ErrorCode } from '@modelseal/core/errors'
import { bytesOf, idOf, readJob, type Job, type WrittenJob } from '../jobs/job.ts'
import { refusalOf, sealResult } from '../results/result.ts'
import type { WorkerKey } from '../results/worker-secrets.ts'
import { report } from '../telemetry/fleet-events.ts'
import { OpenSources } from './open-sources.ts'
import { checkReadable, type Readable } from './readable.ts'

/** Does jobs for a coordinator, and authenticates what it found. */
export class JobPerformer {
  readonly #key: WorkerKey
  readonly #readable: Readable | undefined
  readonly #sources = new OpenSources()

  /** @param readable undefined if this process wrote the jobs itself */
  constructor(key: WorkerKey, readable: Readable | undefined) {
    this.#key = key
    this.#readable = readable
  }

  /**
   * @returns the text of the result, which may be a refusal
   * @throws {@link ModelSealError} `ABORTED`
   */
  async perform(
    written: WrittenJob,
    signal: AbortSignal | undefined,
    onProgress?: (bytes: number) => void,
  ): Promise<string> {
    // It vouches for nothing about a job whose text it has not seen.
    const authorship = { job: idOf(written.text), worker: this.#key.name, secret: this.#key.secret }
    const begun = process.uptime()
    const ended = (of: { bytes: number; code?: ErrorCode }) =>
      report({ type: 'workEnded', seconds: process.uptime() - begun, ...of })
    report({ type: 'workBegun' })
    try {
      const job = readJob(written)
      const checkPlace = this.#readable && (await checkReadable(job, this.#readable))
      const digests = await this.#digests(job, { signal, onProgress, checkPlace })
      ended({ bytes: bytesOf(job) })
      return sealResult(authorship, { digests: digests.flat() })
    } catch (error) {
      const isBrokenOff = signal?.aborted || (error instanceof ModelSealError && error.code === 'ABORTED')
      const outcome = refusalOf(error)
      ended({ bytes: 0, code: isBrokenOff ? 'ABORTED' : outcome.refusal.code })
      // Work that was broken off is no refusal.
      if (isBrokenOff) throw error
      return sealResult(authorship, outcome)
    }
  }

  close(): Promise<void> {
    return this.#sources.close()
  }

  #digests({ source, files }: Job, options: DiskHashingOptions): Promise<string[][]> {
    const wanted = files.map(({ name, size, version, parts }): FileElsewhere => {
      return { place: source === undefined ? { path: name } : { name }, size, version, wanted: parts }
    })
    return source === undefined
      ? hashFilesOnDisk(wanted, options)
      : this.#sources.with(source, (hasher) =>
          hasher.hash(wanted, { signal: options.signal, onProgress: options.onProgress }),
        )
  }
}
