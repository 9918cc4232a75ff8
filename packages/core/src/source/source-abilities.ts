/** What only some sources can do, besides being loaded from. */
export interface SourceAbilities {
  /**
   * URLs of the models directly below this place, for a source whose places can be catalogues: in ascending order, each once, and listed as they
   * are asked for, because there may be millions.
   */
  models?(load: SourceLoad): AsyncIterable<string>
  /** Where a load looks first for the bundle of the model, for a source to which publishers write. The caller closes it. */
  bundleToWrite?(load: SourceLoad): Promise<WritableBundle>
}

/** What a source is told about a load. */
export interface SourceLoad {
  /** Aborted when the caller aborts the load. */
  readonly signal: AbortSignal | undefined
  /**
   * Maximum total size of all files, in bytes, if the caller sets one. The load enforces it for the files that it reads; a
   * source that has to read others as well can keep to it.
   */
  readonly maxBytes?: number | undefined
  /**
   * True if nobody waits for what is read, as for attestations of a model that is in use. Requests should not keep the process alive then.
   */
  readonly detached?: boolean | undefined
}

/** The place for a bundle of a model. */
export interface WritableBundle {
  /** Its URL. */
  readonly path: string
  /** Its name in the model; undefined if it is beside it. */
  readonly name?: string | undefined
  /**
   * @returns undefined if there is none
   * @throws {@link ModelSealError} `SOURCE_FAILED` if it is larger
   */
  read(maxBytes: number): Promise<Uint8Array | undefined>
  /** Writes the bundle, and checks that it is there. Refuses if it has changed since it was read (`FILE_CHANGED`). */
  write(bytes: Uint8Array): Promise<void>
  close(): Promise<void>
}
