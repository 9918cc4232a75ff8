import { ModelSealError, shown } from '@modelseal/core/errors'
import type { Archive } from '../artifact.ts'

/** The default of the core, for loads without the option "maxBytes". */
const DEFAULT_MAX_BYTES = 4 * 1024 ** 3
/** For what is between the files of an archive: as many entries as it may have, with the headers of most. */
const HEADER_BYTES = 256 * 1024 * 1024
/**
 * How often a load may read archives that are as large as allowed. Smaller ones may be read more often, as happens if the
 * files were packed in another order than that of their names.
 */
const MAX_PASSES = 4

/**
 * How much of its archives one load reads. An archive has no list, so it may contain more than what was signed, and a
 * registry could let a load read that without end.
 */
export class ArchiveLimit {
  readonly #maxBytes: number
  /** Of layers, and of the files in them. */
  #read = 0

  /** @param maxBytes of all files of the model together */
  constructor(maxBytes = DEFAULT_MAX_BYTES) {
    this.#maxBytes = maxBytes
  }

  /**
   * Admits one more reading of an archive.
   *
   * @returns admits one file after the other by its size, before it is read
   * @throws {@link ModelSealError} `FILE_TOO_LARGE`; `SOURCE_FAILED` if archives were read too often
   */
  pass({ digest, path = digest, size }: Archive): (size: number) => void {
    const most = this.#maxBytes + HEADER_BYTES
    let bytes = 0
    const count = (more: number) => {
      this.#read += more
      // A layer and the files in it are counted separately.
      if (this.#read > 2 * MAX_PASSES * most) throw readTooOften(path)
    }
    if (size > most) throw tooLarge(path, this.#maxBytes)
    count(size)
    return (more) => {
      bytes += more
      if (bytes > this.#maxBytes) throw tooLarge(path, this.#maxBytes)
      count(more)
    }
  }
}

function tooLarge(file: string, maxBytes: number): ModelSealError {
  return new ModelSealError('FILE_TOO_LARGE', `Cannot read the layer ${shown(file)}: it is too large.`, {
    file,
    expected: `at most ${maxBytes} bytes of files, whether signed or not ("maxBytes")`,
    hint: 'If this is the model that you mean, raise "maxBytes".',
  })
}

function readTooOften(file: string): ModelSealError {
  return new ModelSealError('SOURCE_FAILED', `Cannot read the layer ${shown(file)} again: it was read too often.`, {
    file,
    hint: 'Ask the publisher to push weights as files, or to pack them in the order of their names.',
  })
}
