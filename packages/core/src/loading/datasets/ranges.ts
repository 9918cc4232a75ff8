import { ModelSealError, shown } from '../../errors.ts'

/** Reads ranges of the files of a dataset. */
export interface Ranges {
  /** @returns the size of a file in bytes */
  size(name: string): Promise<number>
  /**
   * @param start first byte
   * @param end first byte after the range, at most the size
   * @returns memory that nobody else has
   */
  read(name: string, start: number, end: number): Promise<ArrayBuffer>
  /** The whole file, piece by piece. Each is memory that nobody else has. */
  pieces(name: string): AsyncGenerator<Uint8Array<ArrayBuffer>>
  /** Forgets what is kept. */
  clear(): void
}

/** @throws {@link ModelSealError} `FILE_TOO_LARGE` if no buffer can have so many bytes */
export function memoryFor(name: string, bytes: number): Uint8Array<ArrayBuffer> {
  try {
    return new Uint8Array(bytes)
  } catch (cause) {
    throw new ModelSealError(
      'FILE_TOO_LARGE',
      `Cannot read a range of the file ${shown(name)}: it does not fit into one buffer.`,
      { file: name, found: `${bytes} bytes`, hint: 'Read smaller ranges.', cause },
    )
  }
}
