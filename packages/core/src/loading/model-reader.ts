import type { ModelFormat } from '../results.ts'
import type { FileRequest } from '../source/size-limit.ts'
import type { PlacedFiles, PlaceOptions } from './placing/placed-files.ts'
import type { ServedFiles } from './files/served-files.ts'

/**
 * Reads files of a model whose signature and policy were accepted, each against its signed digest.
 * For a model that a rule in the mode `audit` or `skip` loads unverified: files as they lie on disk.
 */
export interface ModelReader {
  /** The file that was asked for, where a file was; else undefined. */
  readonly entry: string | undefined
  /** Names of all signed files; of an unverified model, of those that are known. */
  readonly files: readonly string[]
  /** Of the load: long work on what was read should end when it is aborted. */
  readonly signal?: AbortSignal | undefined
  /**
   * For a loader of several formats, see {@link PossibleFormats}: says which one the bytes that it read here are of,
   * before it makes anything of them.
   *
   * @throws {@link ModelSealError} `MODEL_FORMAT` where the rule was chosen for another
   */
  loads(format: ModelFormat): void
  /**
   * @returns the bytes that were hashed; nobody else has this buffer
   * @throws {@link ModelSealError} `FILE_NOT_SIGNED`, `FILE_MISMATCH`, `FILE_CHANGED`, `FILE_REVOKED`,
   * `ISOLATION_REFUSED`
   */
  read(name: string): Promise<Uint8Array<ArrayBuffer>>
  /**
   * Reads several files at the same time: as {@link read}, in the order of the requests.
   *
   * @throws {@link ModelSealError} as there, and `FILE_TOO_LARGE`
   */
  readAll(requests: readonly FileRequest[]): Promise<Uint8Array<ArrayBuffer>[]>
  /**
   * In bytes, by what the disk says; of a file behind HTTP, 0 until it was read.
   *
   * @throws {@link ModelSealError} `FILE_NOT_SIGNED`
   */
  size(name: string): number
  /**
   * True where these files should reach the runtime as buffers, by {@link read}; false where by their
   * paths, by {@link place}: as caller and policy want it, and by their size. After {@link place} has failed because
   * there is no place for paths on this machine, true also for larger files, where caller and rule allow `memory` and
   * this process can have so much of it.
   *
   * @throws {@link ModelSealError} `FILE_NOT_SIGNED`
   */
  inMemory(names: readonly string[]): boolean
  /**
   * As {@link VerifiedModel.place}.
   *
   * @throws {@link ModelSealError} as there
   */
  place(names: readonly string[], options?: PlaceOptions): Promise<PlacedFiles>
}

/** Takes what a runtime is to get. */
export type Gather<T> = (reader: ModelReader) => Promise<T>

export function readerOf(served: ServedFiles, entry: string | undefined): Omit<ModelReader, 'loads' | 'signal'> {
  return {
    entry,
    files: served.names,
    size: (name) => served.size(name),
    inMemory: (names) => served.inMemory(names),
    read: (name) => served.read(name),
    readAll: (requests) => served.readAll(requests),
    place: (names, options) => served.place(names, options),
  }
}
