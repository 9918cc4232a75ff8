import type { ModelFormat } from '../results.ts'
import type { FileRequest } from '../source/size-limit.ts'
import type { SavedModel } from './downloading/saved-model.ts'
import type { PlacedFiles, PlaceOptions } from './placing/placed-files.ts'
import type { ServedFiles } from './files/served-files.ts'
import type { SignedParts } from './files/signed-parts.ts'

/**
 * Reads files of a model whose signature was accepted by the policy, and checks each against its signed digest. If a
 * rule in the mode `audit` or `skip` loads the model unverified, reads files as they are on disk.
 */
export interface ModelReader {
  /** The requested file; undefined if a directory was requested. */
  readonly entry: string | undefined
  /** Names of all signed files; for an unverified model, of the known ones. */
  readonly files: readonly string[]
  /** The signal of the load. Long work on what was read should stop when it is aborted. */
  readonly signal?: AbortSignal | undefined
  /**
   * For a loader of several formats (see {@link PossibleFormats}): reports the format of the bytes that were read,
   * before they are used.
   *
   * @throws {@link ModelSealError} `MODEL_FORMAT` if the rule was chosen for another format
   */
  loads(format: ModelFormat): void
  /**
   * @returns the bytes that were hashed, in a buffer that is not shared
   * @throws {@link ModelSealError} `FILE_NOT_SIGNED`, `FILE_MISMATCH`, `FILE_CHANGED`, `FILE_REVOKED`,
   * `ISOLATION_REFUSED`
   */
  read(name: string): Promise<Uint8Array<ArrayBuffer>>
  /**
   * Reads several files concurrently, like {@link read}, and returns them in the order of the requests.
   *
   * @throws {@link ModelSealError} like {@link read}, and `FILE_TOO_LARGE`
   */
  readAll(requests: readonly FileRequest[]): Promise<Uint8Array<ArrayBuffer>[]>
  /**
   * Size in bytes according to the disk; for a file over HTTP, 0 until it was read.
   *
   * @throws {@link ModelSealError} `FILE_NOT_SIGNED`
   */
  size(name: string): number
  /**
   * True if these files should reach the runtime as buffers (see {@link read}), false if by path (see {@link place}),
   * depending on the caller, the policy and their size. After {@link place} failed because this machine has no place
   * for files, also true for larger files, if the caller and the rule allow `memory` and this process can have that
   * much.
   *
   * @throws {@link ModelSealError} `FILE_NOT_SIGNED`
   */
  inMemory(names: readonly string[]): boolean
  /**
   * Like {@link VerifiedModel.place}.
   *
   * @throws {@link ModelSealError} like {@link VerifiedModel.place}
   */
  place(names: readonly string[], options?: PlaceOptions): Promise<PlacedFiles>
}

/** Can also save the model, and read ranges of its files; undefined if it is loaded unverified. */
export interface SavingReader extends ModelReader {
  parts?: SignedParts | undefined
  /** @param replaced directory whose attestations about the model are kept */
  save?: ((directory: string, replaced?: string) => Promise<SavedModel>) | undefined
}

/** Gathers what the runtime needs. */
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
